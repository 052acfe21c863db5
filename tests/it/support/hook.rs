//! An address of the tests' own that takes what it is sent: what a user's webhook is.

use super::wait::wait_until;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

/// One request that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// As in `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// When.
    pub at: SystemTime,
    headers: Vec<String>,
    /// As text.
    pub body: String,
}

impl Taken {
    /// A header's value by its name in lower case; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        found.unwrap_or_default()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// A listener that answers each request with 200.
pub struct Hook {
    port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Hook {
    /// Listens on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let into = Arc::clone(&into);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = take(&mut reader) {
                        into.lock().expect("no thread panics").push(request);
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        if reader.get_mut().write_all(answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Hook { port, taken }
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything so far, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().expect("no thread panics").clone()
    }

    /// Waits until so many requests were taken; all of them.
    #[track_caller]
    pub fn wait(&self, count: usize, within: Duration) -> Vec<Taken> {
        wait_until(&format!("request {count}"), within, || {
            self.taken().len() >= count
        });
        self.taken()
    }
}

fn take(reader: &mut impl BufRead) -> Option<Taken> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        headers.push(line.trim().to_owned());
    }
    let first = headers.remove(0);
    let mut words = first.split(' ').map(str::to_owned);
    let mut taken = Taken {
        method: words.next()?,
        path: words.next()?,
        at: super::wait::wall(),
        headers,
        body: String::new(),
    };
    let length: usize = taken.header("content-length").parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    taken.body = String::from_utf8(body).ok()?;
    Some(taken)
}
