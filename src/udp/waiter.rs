//! What the thread of a shard waits by: its sockets, a bell that others ring when they have left something for it, and an alarm. No
//! runtime stands in between: to be woken for a packet costs one call, and none to set the alarm, which stands until it is to be
//! another.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Events taken at once; what does not fit is told the next time.
const EVENTS: usize = 64;
/// To be woken so much too early costs less than to set the alarm anew.
const SPARE: Duration = Duration::from_millis(2);
/// Not the number of a socket.
const BELL: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

/// Waits for one thread.
pub(crate) struct Waiter {
    poll: Poll,
    events: Events,
    bell: Arc<Bell>,
    waker: Waker,
    alarm: OwnedFd,
    /// For when the alarm is set.
    set: Option<Instant>,
}

/// Rung from any thread; wakes the one that waits.
struct Bell {
    waker: mio::Waker,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _unheard = self.waker.wake();
        }
    }
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let bell = Arc::new(Bell {
            waker: mio::Waker::new(poll.registry(), BELL)?,
            rung: AtomicBool::new(false),
        });
        let alarm = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        (poll.registry()).register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            alarm,
            set: None,
        })
    }

    /// Arrivals at this socket end a wait. They are told once: until it was read empty, nothing more is said of it.
    pub(crate) fn watch(&self, socket: &UdpSocket, number: usize) -> io::Result<()> {
        let raw = socket.as_raw_fd();
        let mut source = SourceFd(&raw);
        (self.poll.registry()).register(&mut source, Token(number), Interest::READABLE)
    }

    /// Rings the bell.
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether the bell was rung since this was asked the last time.
    pub(crate) fn was_rung(&self) -> bool {
        self.bell.rung.swap(false, Ordering::AcqRel)
    }

    /// Whether the bell was rung since [`Waiter::was_rung`] was asked.
    pub(crate) fn is_rung(&self) -> bool {
        self.bell.rung.load(Ordering::Acquire)
    }

    /// Waits until something comes, the bell is rung or the time is there, or a little before; not at all for a time that has passed.
    /// The numbers of sockets at which something came.
    pub(crate) fn wait(
        &mut self,
        until: Instant,
        now: Instant,
    ) -> io::Result<impl Iterator<Item = usize>> {
        let most = if until <= now {
            Some(Duration::ZERO)
        } else {
            self.set_alarm(until, now)?;
            None
        };
        match self.poll.poll(&mut self.events, most) {
            Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
            done => done?,
        }
        let told = self.events.iter().map(|event| event.token());
        Ok(told
            .filter(|token| *token != BELL && *token != ALARM)
            .map(|Token(number)| number))
    }

    /// The alarm stays as it is while it comes in time and not much too early.
    fn set_alarm(&mut self, until: Instant, now: Instant) -> io::Result<()> {
        let stands = self.set.is_some_and(|set| {
            set > now && set <= until && until.saturating_duration_since(set) < SPARE
        });
        if stands {
            return Ok(());
        }
        let left = until.saturating_duration_since(now);
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            },
        };
        timerfd_settime(&self.alarm, TimerfdTimerFlags::empty(), &once)?;
        self.set = Some(until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const LONG: Duration = Duration::from_secs(20);

    fn waited(waiter: &mut Waiter, most: Duration) -> (Vec<usize>, Duration) {
        let begun = SystemClock.instant();
        let told = waiter.wait(begun + most, begun).unwrap().collect();
        (told, begun.elapsed())
    }

    #[test]
    fn the_alarm_ends_a_wait_and_may_be_moved_both_ways() {
        let mut waiter = Waiter::new().unwrap();
        for milliseconds in [30, 5, 60] {
            let wanted = Duration::from_millis(milliseconds);
            let begun = SystemClock.instant();
            let mut times = 0;
            while begun.elapsed() < wanted {
                let now = SystemClock.instant();
                assert_eq!(waiter.wait(begun + wanted, now).unwrap().count(), 0);
                times += 1;
            }
            assert!(times <= 3, "{times}");
        }
        // For long; then for less.
        let now = SystemClock.instant();
        waiter.set_alarm(now + LONG, now).unwrap();
        assert!(waited(&mut waiter, Duration::from_millis(5)).1 < LONG / 2);
        let now = SystemClock.instant();
        assert_eq!(waiter.wait(now, now).unwrap().count(), 0, "at once");
    }

    #[test]
    fn a_socket_is_told_of_once_for_what_came_until_it_was_read() {
        let mut waiter = Waiter::new().unwrap();
        let sockets: Vec<_> = (0..2)
            .map(|number| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_nonblocking(true).unwrap();
                waiter.watch(&socket, number).unwrap();
                socket
            })
            .collect();
        let at = sockets[1].local_addr().unwrap();
        for _ in 0..2 {
            sockets[0].send_to(b"x", at).unwrap();
            assert_eq!(waited(&mut waiter, LONG).0, [1]);
            assert!(waited(&mut waiter, Duration::ZERO).0.is_empty());
            assert_eq!(sockets[1].recv(&mut [0; 9]).unwrap(), 1);
        }
    }

    #[test]
    fn the_bell_wakes_from_another_thread_and_is_not_lost_before() {
        let mut waiter = Waiter::new().unwrap();
        waiter.waker().wake_by_ref();
        let (told, took) = waited(&mut waiter, LONG);
        assert!(told.is_empty() && took < LONG / 2);
        assert!(waiter.was_rung() && !waiter.was_rung());
        let waker = waiter.waker().clone();
        let other = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
        assert!(waited(&mut waiter, LONG).1 < LONG / 2);
        assert!(waiter.was_rung());
        other.join().unwrap();
    }
}
