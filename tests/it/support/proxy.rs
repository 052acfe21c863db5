//! A proxy before a nats-server that does what a network or a broken proxy does: swallow, cut, deliver nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

/// What becomes of a connection's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They pass.
    Pass,
    /// They pass from the server this much later.
    Delay(Duration),
    /// They vanish both ways, and nobody is told.
    Hole,
    /// Messages vanish; everything else passes, pings and pongs too.
    Mute,
    /// The connection is reset.
    Cut,
}

/// The proxy. It stands until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    doors: Arc<Mutex<Doors>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Doors {
    /// The fate of connections to come.
    new: Fate,
    /// Those of the connections there are.
    open: Vec<watch::Sender<Fate>>,
}

impl Proxy {
    /// One before `server`, an address as in `127.0.0.1:4222`, that lets everything pass.
    pub fn before(server: &str) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs no more than threads");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let doors = Arc::new(Mutex::new(Doors {
            new: Fate::Pass,
            open: Vec::new(),
        }));
        let (stop, stopped) = oneshot::channel::<()>();
        let (server, shared) = (server.to_owned(), Arc::clone(&doors));
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = receive(listener, server, shared) => {}
                    // Ends by the message or by the sender's end: both mean stop.
                    _ = stopped => {}
                }
            });
        });
        Proxy {
            address,
            doors,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Its address as a NATS server's.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The fate of the connections there are; new ones keep theirs.
    pub fn open(&self, fate: Fate) {
        let mut doors = self.lock();
        doors.open.retain(|door| door.send(fate).is_ok());
    }

    /// The fate of all connections, those to come included.
    pub fn all(&self, fate: Fate) {
        self.open(fate);
        self.lock().new = fate;
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        let mut doors = self.lock();
        doors.open.retain(|door| !door.is_closed());
        doors.open.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Doors> {
        self.doors
            .lock()
            .expect("no thread panics while it holds the doors")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread has been printed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn receive(listener: TcpListener, server: String, doors: Arc<Mutex<Doors>>) {
    while let Ok((visitor, _)) = listener.accept().await {
        let fate = {
            let mut doors = doors
                .lock()
                .expect("no thread panics while it holds the doors");
            let (door, fate) = watch::channel(doors.new);
            doors.open.push(door);
            fate
        };
        let server = server.clone();
        // A visitor or a server who goes in the middle is nobody's fault here.
        tokio::spawn(async move { drop(carry(visitor, server, fate).await) });
    }
}

async fn carry(
    visitor: TcpStream,
    server: String,
    fate: watch::Receiver<Fate>,
) -> std::io::Result<()> {
    if *fate.borrow() == Fate::Cut {
        return visitor.set_zero_linger();
    }
    let mut visitor = visitor;
    let mut inner = TcpStream::connect(server).await?;
    visitor.set_nodelay(true)?;
    inner.set_nodelay(true)?;
    let was_cut = {
        let (from_visitor, to_visitor) = visitor.split();
        let (from_server, to_server) = inner.split();
        let (up, down, mut cutting) = (fate.clone(), fate.clone(), fate.clone());
        tokio::select! {
            cut = cutting.wait_for(|fate| *fate == Fate::Cut) => cut.is_ok(),
            _ = upwards(from_visitor, to_server, up) => false,
            () = ended_below(downwards(from_server, to_visitor, down), fate.clone()) => false,
        }
    };
    if was_cut {
        // Whoever reads gets a reset, and no end of file.
        visitor.set_zero_linger()?;
    }
    Ok(())
}

/// The server's end passes on, but for a hole, in which that vanishes too.
async fn ended_below(
    below: impl Future<Output = std::io::Result<()>>,
    mut fate: watch::Receiver<Fate>,
) {
    // Whoever ends it, and how, is the visitor's to notice.
    let _ = below.await;
    let _ = fate.wait_for(|fate| *fate != Fate::Hole).await;
}

async fn upwards(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    fate: watch::Receiver<Fate>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        if *fate.borrow() != Fate::Hole {
            to.write_all(&bytes[..read]).await?;
        }
    }
}

async fn downwards(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    fate: watch::Receiver<Fate>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    let mut protocol = Protocol::default();
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        let fate = *fate.borrow();
        let through = protocol.take(&bytes[..read], fate == Fate::Mute);
        if let Fate::Delay(delay) = fate {
            tokio::time::sleep(delay).await;
        }
        if fate != Fate::Hole {
            to.write_all(&through).await?;
        }
    }
}

/// The server's side of the protocol, taken apart so far that messages can be told from the rest.
#[derive(Default)]
struct Protocol {
    rest: Vec<u8>,
}

impl Protocol {
    /// Takes bytes in and gives those to be passed on: whole operations, without messages where `mute`.
    fn take(&mut self, bytes: &[u8], mute: bool) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let mut through = Vec::with_capacity(self.rest.len());
        let mut at = 0;
        while let Some((length, is_message)) = operation(&self.rest[at..]) {
            if !(mute && is_message) {
                through.extend_from_slice(&self.rest[at..at + length]);
            }
            at += length;
        }
        self.rest.drain(..at);
        through
    }
}

/// The length of the operation that begins here, and whether it is a message; `None` until it is whole.
fn operation(bytes: &[u8]) -> Option<(usize, bool)> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")?;
    let is_message = bytes.starts_with(b"MSG ") || bytes.starts_with(b"HMSG ");
    if !is_message {
        return Some((line + 2, false));
    }
    let words = std::str::from_utf8(&bytes[..line]).ok()?;
    let payload: usize = words.rsplit(' ').next()?.parse().ok()?;
    let length = line + 2 + payload + 2;
    (bytes.len() >= length).then_some((length, true))
}

#[test]
fn messages_are_told_from_the_rest_across_reads() {
    let mut protocol = Protocol::default();
    let said = b"INFO {}\r\nMSG a 1 4\r\nPING\r\nPONG\r\n";
    let (first, second) = said.split_at(20);
    let mut through = protocol.take(first, true);
    through.extend(protocol.take(second, true));
    assert_eq!(through, b"INFO {}\r\nPONG\r\n");
    assert_eq!(Protocol::default().take(said, false), said);
}
