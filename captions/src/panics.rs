//! What a worker tells of a panic: the place. The message may hold what someone said, or what a hostile model made of it.

use std::io::{self, Write as _};

/// From here on panics of this process say where they were on stderr, and nothing else.
pub fn tell_place(worker: &'static str) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location();
        // Where nobody listens to stderr there is nobody to tell.
        let _ = writeln!(
            io::stderr(),
            "{worker}: a panic at {}:{}",
            place.map_or("?", |place| place.file()),
            place.map_or(0, std::panic::Location::line)
        );
    }));
}
