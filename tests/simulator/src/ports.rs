//! Ports for servers that have to be told one before they start.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port that is given: below it are those of well-known services.
const FIRST: u16 = 12_288;

/// Past the last port that is given. From here on Linux gives ports to whoever asks for any (`ip_local_port_range`); other systems begin higher
/// (source: RFC 6335, section 6). A server that is still starting would lose such a port to a test that wants one for a moment, and who
/// waits for it would talk with that.
const END: u16 = 32_768;

/// How far apart processes with neighbouring ids begin. Most take fewer; where one takes more, it passes over those that are listened on.
const APART: u32 = 127;

/// How many ports this process has tried.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// A loopback port that nobody listens on, and that this process gives nobody else before it has given some twenty thousand others.
///
/// # Errors
///
/// If there is none.
pub fn free_port() -> io::Result<u16> {
    first_free((FIRST..END).map(|_| nth(std::process::id(), TRIED.fetch_add(1, Ordering::Relaxed))))
}

/// The first of these ports that nobody listens on.
fn first_free(ports: impl IntoIterator<Item = u16>) -> io::Result<u16> {
    let mut why = io::ErrorKind::AddrInUse.into();
    for port in ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The port that a process tries after so many others.
fn nth(process: u32, tried: u16) -> u16 {
    let span = u32::from(END - FIRST);
    let place = (process % span * APART + u32::from(tried)) % span;
    FIRST + u16::try_from(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_or_to_somebody_who_asks_the_system_for_any() {
        let given: Vec<u16> = (0..500).map(|_| free_port().unwrap()).collect();
        let asked: Vec<TcpListener> =
            (0..500).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let given_once: BTreeSet<u16> = given.iter().copied().collect();
        assert_eq!(given_once.len(), given.len());
        assert!(asked.iter().all(|it| !given_once.contains(&it.local_addr().unwrap().port())));
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_passed_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (taken, free) = (listener.local_addr().unwrap().port(), free_port().unwrap());
        assert_eq!(first_free([taken, free]).unwrap(), free);
        assert_eq!(first_free([taken]).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn processes_begin_apart_and_stay_within_the_ports() {
        assert_eq!(nth(1, 0) - nth(0, 0), 127);
        for process in [0, 1, 32_767, 4_194_304, u32::MAX] {
            assert!((0..=u16::MAX).all(|tried| (FIRST..END).contains(&nth(process, tried))));
        }
    }
}
