//! The loop of one shard: commands first, then datagrams, one after the other, then what follows from them, then time. It owns
//! its core alone.

use std::io;
use std::net::UdpSocket;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use conclave_policy::actions::Connect;
use conclave_policy::permit::Permit;
use rustix::thread::set_current_timer_slack;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, SystemClock};
use crate::media::answer::Local;
use crate::media::counters::MediaCounters;
use crate::media::event::{ConnectError, PeerEvent};
use crate::media::history::HOLD_LOOK;
use crate::media::offer::Description;
use crate::media::outbox::Path;
use crate::media::sfu::Sfu;
use crate::udp::command::Command;
use crate::udp::neighbours::Neighbours;
use crate::udp::outlet::Outlets;
use crate::udp::port::{Inbox, Port, Sent};
use crate::udp::streams::Streams;
use crate::udp::waiter::Waiter;

/// Datagrams taken from connections, or letters from other shards, before the sockets have their turn.
const TURN: usize = 64;
/// How soon a full receiver of events is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// How soon the full queue of another shard is tried again.
const SOON: Duration = Duration::from_millis(1);
/// The longest wait, for counters to be fresh and a missed wake-up not to matter.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How much longer than asked for the system may let the thread sleep, in nanoseconds.
const SLACK: u64 = 1_000;

/// One shard and what it runs on.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) sfu: Sfu,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) counters: Arc<Mutex<MediaCounters>>,
    /// Send what goes to one receiver by one call, where the system can.
    pub(crate) segmentation: bool,
    pub(crate) streams: Streams,
    pub(crate) neighbours: Neighbours,
}

struct Running {
    sfu: Sfu,
    commands: mpsc::Receiver<Command>,
    counters: Arc<Mutex<MediaCounters>>,
    ports: Vec<Port>,
    streams: Streams,
    neighbours: Neighbours,
    /// Answers that wait until the other shards can know what was done.
    held: Vec<Held>,
    outlets: Outlets,
    waiting: bool,
    waiter: Waiter,
    /// Commands and what others leave ring the bell when they come.
    listening: bool,
    clock: SystemClock,
    /// When the thread last ended a wait.
    woke: Instant,
    /// The time of what is done now: read when the thread wakes and when it goes on at once, and again where sending takes long. Each
    /// reading costs something, and what comes together came at the same time.
    now: Instant,
    /// What waits is being sent on.
    flushing: bool,
    /// Something was read since the last wait.
    came: bool,
    stopped: bool,
}

/// Gives an answer.
type Held = Box<dyn FnOnce() + Send>;

impl Shard {
    /// Runs until it is told to stop or nobody can tell it anything any more.
    pub(crate) fn run(self, sockets: Vec<UdpSocket>) -> io::Result<()> {
        // A sleep lasts as long as was asked for: for the rest of a picture that is less than the usual slack on top of it.
        let _unset = set_current_timer_slack(NonZeroU64::new(SLACK));
        self.begin(sockets)?.run()
    }

    fn begin(self, sockets: Vec<UdpSocket>) -> io::Result<Running> {
        let waiter = Waiter::new()?;
        let mut ports = Vec::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            let port = Port::new(socket, self.segmentation)?;
            waiter.watch(port.socket(), number)?;
            ports.push(port);
        }
        Ok(Running {
            sfu: self.sfu,
            commands: self.commands,
            counters: self.counters,
            ports,
            streams: self.streams,
            neighbours: self.neighbours,
            held: Vec::new(),
            outlets: Outlets::default(),
            waiting: false,
            waiter,
            listening: false,
            clock: SystemClock,
            woke: SystemClock.instant(),
            now: SystemClock.instant(),
            flushing: false,
            came: false,
            stopped: false,
        })
    }
}

impl Running {
    fn run(&mut self) -> io::Result<()> {
        let mut inbox = Inbox::new();
        while !self.stopped {
            self.came = false;
            let busy = self.read(&mut inbox);
            self.pass_time();
            self.publish_counters();
            if busy {
                self.now = self.clock.instant();
                self.note_arrivals(self.now)?;
            } else {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Waits for a command, a datagram or the next timer, whichever comes first.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.clock.instant();
        self.now = now;
        self.sfu
            .count_busy(now.saturating_duration_since(self.woke));
        if self.sfu.is_holding() {
            // The rest of a picture is on its way: to be woken for each of its packets costs more than to look again.
            std::thread::sleep(HOLD_LOOK);
            self.wake();
            return self.note_arrivals(self.now);
        }
        let clear = self.neighbours.is_clear();
        let until = if self.listen(clear) {
            let retry = (self.waiting || !clear).then(|| now + if clear { RETRY } else { SOON });
            [self.sfu.next_timeout(), retry]
                .into_iter()
                .flatten()
                .fold(now + LONGEST_WAIT, Instant::min)
        } else {
            now
        };
        self.note_arrivals(until)?;
        self.wake();
        Ok(())
    }

    fn wake(&mut self) {
        self.woke = self.clock.instant();
        self.now = self.woke;
    }

    /// Notes at which sockets something came; waits for that, or for the bell, until this time at most.
    fn note_arrivals(&mut self, until: Instant) -> io::Result<()> {
        for number in self.waiter.wait(until, self.now)? {
            if let Some(port) = self.ports.get_mut(number) {
                port.note_arrival();
            }
        }
        Ok(())
    }

    /// Sees to it that the bell rings when a command comes, or something from another thread; `false` if something is there.
    fn listen(&mut self, clear: bool) -> bool {
        if !self.waiter.was_rung() && self.listening {
            return true;
        }
        let waker = self.waiter.waker().clone();
        let mut context = Context::from_waker(&waker);
        // Commands wait until what must be told before them is in the queues.
        let commanded = clear
            && match self.commands.poll_recv(&mut context) {
                Poll::Ready(command) => {
                    self.obey(command.unwrap_or(Command::Stop));
                    true
                }
                Poll::Pending => false,
            };
        let letters = self.neighbours.poll_ready(&mut context).is_ready();
        let streams = self.streams.poll_ready(&mut context).is_ready();
        let silent = !(commanded || letters || streams);
        self.listening = silent && clear;
        silent
    }

    /// Reads from every socket in turn; says whether there may be more. Commands go first, before every single datagram: what a
    /// room forbids takes effect under any flood.
    fn read(&mut self, inbox: &mut Inbox) -> bool {
        let (mut more, mut settled) = (false, false);
        for socket in 0..self.ports.len() {
            let Some(port) = self.ports.get_mut(socket) else {
                break;
            };
            if !port.is_ready() {
                continue;
            }
            let read = port.receive(inbox);
            more |= port.is_ready();
            // What the network reports about an earlier datagram is no reason to stop.
            let Ok(count) = read else {
                continue;
            };
            self.came = true;
            let socket = u16::try_from(socket).unwrap_or(u16::MAX);
            for (remote, datagrams) in inbox.messages(count) {
                let path = Path { socket, remote };
                for datagram in datagrams {
                    self.mind();
                    self.sfu.receive(path, datagram, self.now);
                    if self.sfu.is_due() {
                        self.settle();
                    }
                }
            }
            self.settle();
            settled = true;
        }
        if !self.is_quiet() {
            more |= self.read_streams();
            self.mind();
            settled = false;
        }
        if !settled {
            self.settle();
        }
        more || !self.is_quiet() && self.neighbours.waiting() > 0
    }

    /// Reads what came over connections; says whether there may be more.
    fn read_streams(&mut self) -> bool {
        for _ in 0..TURN {
            self.mind();
            let Some(arrival) = self.streams.take() else {
                return false;
            };
            let now = self.clock.instant();
            self.streams.give(arrival, &mut self.sfu, now);
            if self.sfu.is_due() {
                self.settle();
            }
        }
        true
    }

    /// Whether no command waits, and nothing of other shards or of connections: who leaves something rings the bell afterwards. To
    /// know it costs one look, where the queues would be three.
    fn is_quiet(&self) -> bool {
        self.listening && !self.waiter.is_rung()
    }

    /// Does what is commanded, and takes in what other shards tell.
    fn mind(&mut self) {
        if self.is_quiet() {
            return;
        }
        // What was told before the datagram came is known before it is looked at.
        for _ in 0..=self.neighbours.waiting() {
            while self.neighbours.is_clear()
                && let Ok(command) = self.commands.try_recv()
            {
                self.obey(command);
            }
            // While packets are sent on, no more of them are taken in than can wait for that.
            if self.flushing && self.sfu.is_due() || !self.take_letter() {
                break;
            }
        }
    }

    fn take_letter(&mut self) -> bool {
        let Some((from, mail)) = self.neighbours.take() else {
            return false;
        };
        self.sfu.deliver(from, mail, self.clock.instant());
        if self.sfu.is_due() {
            self.settle();
        }
        true
    }

    /// Takes in what the other shards have told until now. What they tell meanwhile can wait.
    fn catch_up(&mut self) {
        for _ in 0..self.neighbours.waiting() {
            self.take_letter();
        }
        self.settle();
    }

    /// Hands over what is for other shards.
    fn post(&mut self) {
        while let Some((to, mail)) = self.sfu.poll_mail() {
            if let Some(mail) = self.neighbours.post(to, mail) {
                self.sfu.take_back(mail);
            }
        }
        if self.neighbours.retry() {
            for answer in self.held.drain(..) {
                answer();
            }
        }
    }

    /// Answers, as soon as the other shards can know what was done. Whoever has the answer finds what this
    /// shard did in its counters.
    fn reply<T: Send + 'static>(&mut self, reply: oneshot::Sender<T>, answer: T) {
        self.publish_counters();
        if self.neighbours.is_clear() {
            let _ = reply.send(answer);
        } else {
            self.held.push(Box::new(move || drop(reply.send(answer))));
        }
    }

    fn pass_time(&mut self) {
        let now = self.now;
        self.streams.sweep(&self.sfu, now);
        // Awake because something came, it does what would wake it soon.
        if self.came && self.sfu.advance_early(now) {
            self.settle();
        } else if self.sfu.next_timeout().is_some_and(|at| at <= now) {
            self.sfu.advance(now);
            self.settle();
        } else if self.waiting {
            self.tell();
        }
        if !self.neighbours.is_clear() {
            self.post();
        }
    }

    /// Sends on what waits, in portions. Commands, and what other shards tell, take effect between them: what they forbid is not
    /// sent to those whose turn is still to come.
    fn settle(&mut self) {
        if !self.flushing {
            self.flushing = true;
            self.sfu.begin_flush();
            while self.sfu.flush(self.now) {
                self.send();
                self.mind();
                self.now = self.clock.instant();
            }
            self.flushing = false;
        }
        self.conclude();
    }

    /// Sends what is to be sent and tells what is to be told.
    fn conclude(&mut self) {
        self.sfu.settle();
        self.send();
        self.post();
        let mut told = false;
        while let Some((key, event)) = self.sfu.poll_event() {
            self.outlets.push(key, event);
            told = true;
        }
        if told {
            self.publish_counters();
            self.tell();
        }
    }

    fn tell(&mut self) {
        let (gone, waiting) = self.outlets.flush();
        self.waiting = waiting;
        let now = self.clock.instant();
        for key in gone {
            self.sfu.abandon(key, now);
        }
        self.post();
    }

    /// Sends what the outbox holds, each run by as few calls as the system allows.
    fn send(&mut self) {
        let outbox = self.sfu.outbox();
        if outbox.is_empty() {
            return;
        }
        let mut all = Sent::default();
        for (socket, runs) in outbox.by_socket() {
            match self.ports.get_mut(usize::from(socket)) {
                Some(port) => all += port.send(runs),
                None => runs.for_each(|run| all += self.streams.send(&run)),
            }
        }
        outbox.clear();
        self.sfu.count_sent(all.taken, all.refused, all.calls);
    }

    fn publish_counters(&self) {
        let mut counters = self.sfu.counters();
        self.streams.count(&mut counters);
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// Does a command.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect {
                permit,
                description,
                events,
                reply,
            } => {
                self.connect(permit, *description, events, reply);
            }
            Command::Restart {
                permit,
                description,
                reply,
            } => self.answer(reply, |sfu, now| {
                sfu.reconnect(permit, *description, now)
                    .map(|(_, local)| local)
            }),
            Command::Watch { permit, reply } => {
                self.answer(reply, |sfu, now| sfu.watch(permit, now))
            }
            Command::Publish { permit, reply } => {
                self.answer(reply, |sfu, now| sfu.publish(permit, now))
            }
            Command::Listen { permit, ear, reply } => {
                self.answer(reply, |sfu, _| sfu.listen(permit, ear))
            }
            Command::Unlisten {
                room,
                participant,
                reply,
            } => self.answer(reply, |sfu, _| sfu.unlisten(room, participant)),
            Command::Cut {
                room,
                participant,
                source,
                reply,
            } => {
                self.answer(reply, |sfu, now| sfu.cut(room, participant, source, now));
            }
            Command::Unwatch {
                room,
                participant,
                reply,
            } => {
                self.answer(reply, |sfu, _| sfu.unwatch(room, participant));
            }
            Command::Disconnect {
                room,
                participant,
                reply,
            } => {
                self.answer(reply, |sfu, now| sfu.disconnect(room, participant, now));
            }
            Command::End { room, reply } => self.answer(reply, |sfu, now| sfu.end(room, now)),
            Command::View {
                room,
                participant,
                wants,
                most,
                reply,
            } => {
                self.answer(reply, |sfu, now| {
                    sfu.view(room, participant, wants, most, now)
                });
            }
            Command::Quality { room, reply } => self.answer(reply, |sfu, _| sfu.quality(room)),
            Command::Stats { room, reply } => self.answer(reply, |sfu, _| sfu.stats(room)),
            Command::Settle { reply } => {
                self.catch_up();
                self.reply(reply, ());
            }
            Command::Stop => self.stop(),
        }
    }

    /// Does something, sends what follows from it, and only then answers.
    fn answer<T: Send + 'static>(
        &mut self,
        reply: oneshot::Sender<T>,
        action: impl FnOnce(&mut Sfu, Instant) -> T,
    ) {
        let answer = action(&mut self.sfu, self.clock.instant());
        self.settle();
        self.reply(reply, answer);
    }

    fn connect(
        &mut self,
        permit: Permit<Connect>,
        description: Description,
        events: mpsc::Sender<PeerEvent>,
        reply: oneshot::Sender<Result<Local, ConnectError>>,
    ) {
        let connected = self.sfu.connect(permit, description, self.clock.instant());
        let answer = connected.map(|(key, local)| {
            // Before anything is told: the first event may be there already.
            self.outlets.add(key, events);
            local
        });
        self.settle();
        self.reply(reply, answer);
    }

    fn stop(&mut self) {
        self.sfu.end_all(self.clock.instant());
        self.settle();
        self.stopped = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dtls::Identity;
    use crate::media::event::PeerKey;
    use crate::media::mail::Mail;
    use crate::media::sfu::Limits;
    use crate::secret::SystemRandom;
    use conclave_policy::ids::RoomId;

    #[test]
    fn commands_and_letters_are_taken_in_also_while_there_is_always_something_to_read() {
        let mut shards = Neighbours::all(2);
        let mut other = shards.pop().unwrap();
        let sfu = Sfu::new(
            Arc::new(Identity::generate().unwrap()),
            Vec::new(),
            Limits::default(),
            Arc::new(SystemRandom),
        );
        let (sender, commands) = mpsc::channel(4);
        let shard = Shard {
            sfu: sfu.among(0, 2, Arc::default()),
            commands,
            counters: Arc::default(),
            segmentation: false,
            streams: Streams::default(),
            neighbours: shards.pop().unwrap(),
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (from, to) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            socket.local_addr().unwrap(),
        );
        let mut running = shard.begin(vec![socket]).unwrap();
        let mut inbox = Inbox::new();
        assert!(running.listen(true) && running.is_quiet());
        for round in 1..=3 {
            let before = running.sfu.counters().datagrams_received;
            assert!(round == 1 || before > 0);
            for _ in 0..40 {
                from.send_to(&[7; 20], to).unwrap();
            }
            let (reply, mut answer) = oneshot::channel();
            let room = RoomId::from_bytes([1; 16]);
            sender.try_send(Command::Quality { room, reply }).unwrap();
            let key = PeerKey {
                place: 0,
                generation: 0,
            };
            assert!(other.post(0, Mail::Gone { key }).is_none());
            assert!(!running.is_quiet());
            assert!(running.read(&mut inbox), "there is more");
            assert!(answer.try_recv().is_ok(), "round {round}");
            let told = running.counters.lock().unwrap().datagrams_received;
            assert!(told >= before, "round {round}: {told} of {before}");
            assert_eq!(running.neighbours.waiting(), 0);
        }
        let read = running.sfu.counters().datagrams_received;
        assert!(read > 0 && read < 120, "{read}");
    }
}
