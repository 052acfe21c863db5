//! An HTTP receiver whose answers the test chooses: for what no real server can be made to say.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its path and query.
    pub path: String,
    /// Its first line and headers.
    pub head: String,
    /// Its body.
    pub body: String,
    /// The status that it was answered.
    pub answered: u16,
}

/// A receiver on a port of its own. Each answer repeats the request, as some servers do that refuse one.
pub struct Receiver {
    /// Its port on loopback.
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    status: Arc<AtomicU16>,
    /// Statuses of the next requests, before that one.
    next: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    /// One that answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let receiver = Receiver {
            port,
            taken: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
            next: Arc::default(),
        };
        let (taken, status) = (Arc::clone(&receiver.taken), Arc::clone(&receiver.status));
        let next = Arc::clone(&receiver.next);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, status) = (Arc::clone(&taken), Arc::clone(&status));
                let next = Arc::clone(&next);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(mut request) = take(&mut reader) {
                        let first = next.lock().expect("no thread panics").pop_front();
                        request.answered = first.unwrap_or_else(|| status.load(Ordering::Relaxed));
                        let answered = request.answered;
                        let said = format!("{}{}", request.head, request.body);
                        taken.lock().expect("no thread panics").push(request);
                        let answer = format!(
                            "HTTP/1.1 {} Answer\r\ncontent-length: {}\r\n\r\n{said}",
                            answered,
                            said.len()
                        );
                        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        receiver
    }

    /// Answers so from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Answers the next requests so.
    pub fn answer_next(&self, statuses: &[u16]) {
        let mut next = self.next.lock().expect("no thread panics");
        next.extend(statuses);
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().expect("no thread panics").clone()
    }

    /// Their paths.
    pub fn paths(&self) -> Vec<String> {
        self.taken().into_iter().map(|taken| taken.path).collect()
    }
}

/// Reads a request; `None` where the client is gone.
pub(super) fn take(reader: &mut impl BufRead) -> Option<Taken> {
    let mut head = String::new();
    loop {
        let begins = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head[begins..].trim().is_empty() {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Taken {
        path: head.split(' ').nth(1)?.to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        answered: 0,
        head,
    })
}
