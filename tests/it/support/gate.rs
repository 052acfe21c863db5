//! A door before a server: shut, it answers 503 to everyone; open, it lets everything through.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The door. It stands until the tests end.
pub struct Gate {
    /// Where it stands, as in `127.0.0.1:80`.
    pub address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    open: AtomicBool,
    refused: AtomicU32,
}

impl Gate {
    /// A shut door before `server`.
    pub fn shut(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address")
            .to_string();
        let state = Arc::new(State::default());
        let gate = Gate {
            address,
            state: Arc::clone(&state),
        };
        let server = server.to_owned();
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let (state, server) = (Arc::clone(&state), server.clone());
                // A visitor who goes in the middle is nobody's fault here.
                thread::spawn(move || drop(receive(visitor, &server, &state)));
            }
        });
        gate
    }

    /// Opens it.
    pub fn open(&self) {
        self.state.open.store(true, Ordering::SeqCst);
    }

    /// How many were turned away.
    pub fn refused(&self) -> u32 {
        self.state.refused.load(Ordering::SeqCst)
    }
}

/// One connection. Each request of a connection that is kept alive goes where its first went.
fn receive(mut visitor: TcpStream, server: &str, state: &State) -> io::Result<()> {
    let mut first = [0; 64 * 1024];
    let length = visitor.read(&mut first)?;
    if !state.open.load(Ordering::SeqCst) {
        state.refused.fetch_add(1, Ordering::SeqCst);
        visitor.write_all(REFUSAL)?;
        visitor.shutdown(Shutdown::Write)?;
        // Reads what is still to come: closing before that would reset the answer away.
        return io::copy(&mut visitor, &mut io::sink()).map(drop);
    }
    let mut inner = TcpStream::connect(server)?;
    inner.write_all(&first[..length])?;
    let (mut from, mut to) = (visitor.try_clone()?, inner.try_clone()?);
    thread::spawn(move || drop(io::copy(&mut from, &mut to)));
    io::copy(&mut inner, &mut visitor)?;
    visitor.shutdown(Shutdown::Both)
}
