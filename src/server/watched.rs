//! Waits for files to come into a folder: the system says so at once. Where it cannot, for want of watches or because the folder
//! is on another machine, whoever waits looks again and again.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{sleep, timeout};

/// How often one looks who is told, and who is not.
const TOLD: Duration = Duration::from_secs(1);
const UNTOLD: Duration = Duration::from_millis(100);
/// What the system says is taken in portions of so many bytes, and not read: that something came is enough.
const NEWS: usize = 4096;

/// A folder in which files come.
pub(super) struct Watched {
    news: Option<Receiver>,
}

impl Watched {
    /// Watches a folder from now on.
    pub(super) fn new(folder: &Path) -> Self {
        let news = watch(folder)
            .inspect_err(|error| tracing::warn!(%error, "folder.not_watched"))
            .ok();
        Self { news }
    }

    /// Comes back when a file came, or when it is time to look all the same.
    pub(super) async fn changed(&mut self) {
        let Some(news) = &self.news else {
            return sleep(UNTOLD).await;
        };
        if let Ok(Err(error)) = timeout(TOLD, take(news)).await {
            tracing::warn!(%error, "folder.not_watched");
            self.news = None;
        }
    }
}

fn watch(folder: &Path) -> io::Result<Receiver> {
    let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    // What was written is complete when it is closed.
    add_watch(
        &queue,
        folder,
        WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO,
    )?;
    // It is read like a pipe.
    Receiver::from_owned_fd_unchecked(queue)
}

/// Waits for news and takes all there is.
async fn take(news: &Receiver) -> io::Result<()> {
    let mut portion = [0; NEWS];
    let mut any = false;
    loop {
        match news.try_read(&mut portion) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => any = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && any => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => news.readable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    async fn waited(watched: &mut Watched) -> Duration {
        let begun = SystemClock.instant();
        watched.changed().await;
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_file_is_told_of_once_when_it_is_written_or_moved_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut watched = Watched::new(folder.path());
        assert!(watched.news.is_some());
        let at = folder.path().to_owned();
        let writer = tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            std::fs::write(at.join("wish"), "deep").unwrap();
        });
        assert!(waited(&mut watched).await < TOLD / 2);
        writer.await.unwrap();
        assert!(waited(&mut watched).await >= TOLD, "told of once");
        let elsewhere = tempfile::tempdir_in(folder.path()).unwrap();
        std::fs::write(elsewhere.path().join("wish"), "").unwrap();
        std::fs::rename(elsewhere.path().join("wish"), folder.path().join("other")).unwrap();
        assert!(waited(&mut watched).await < TOLD / 2);
    }

    #[tokio::test]
    async fn where_nothing_is_told_one_looks_again_and_again() {
        let mut watched = Watched::new(Path::new("/nowhere"));
        assert!(watched.news.is_none());
        let waited = waited(&mut watched).await;
        assert!(waited >= UNTOLD && waited < TOLD, "{waited:?}");
    }
}
