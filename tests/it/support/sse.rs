//! A client of server-sent events, with nothing but what the format asks for.

use super::http::Server;
use super::wait::{since, wall};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No stream of the tests is quiet for longer: signs of life come every 15 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// `event:`; empty where there is none.
    pub name: String,
    /// `id:`; empty where there is none.
    pub id: String,
    /// `data:`, in JSON.
    pub data: Value,
}

/// A stream that goes on.
pub struct Sse {
    stream: BufReader<TcpStream>,
    /// Status line and headers.
    pub head: String,
}

impl Sse {
    /// Opens one, with these lines among the headers.
    #[track_caller]
    pub fn open(server: &Server, path: &str, headers: &str) -> Self {
        let sse = Sse::ask(server, path, headers);
        assert!(sse.head.contains(" 200 "), "{}", sse.head);
        sse
    }

    /// Asks for one, which may be refused.
    #[track_caller]
    pub fn ask(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a bound");
        let token = server.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {}\r\n{}{headers}\r\n",
            server.address,
            token.unwrap_or_default()
        );
        stream
            .write_all(request.as_bytes())
            .expect("it takes a request");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = stream.read_line(&mut head).expect("it answers");
            assert!(read > 0, "the answer ended in its head: {head:?}");
        }
        Sse { stream, head }
    }

    /// The next event; `None` at the end.
    #[track_caller]
    pub fn next(&mut self) -> Option<Event> {
        let (mut name, mut id, mut data) = (String::new(), String::new(), None);
        loop {
            let mut line = Vec::new();
            let read = self.stream.read_until(b'\n', &mut line);
            if read.expect("no stream is quiet for that long") == 0 {
                return None;
            }
            let line = String::from_utf8(line).expect("events are UTF-8");
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("id", value)) => id = value.to_owned(),
                Some(("data", value)) => data = Some(serde_json::from_str(value).expect("JSON")),
                _ if line.is_empty() => {
                    if let Some(data) = data.take() {
                        return Some(Event { name, id, data });
                    }
                }
                _ => {}
            }
        }
    }

    /// The first event from here on that is looked for; within twenty seconds.
    #[track_caller]
    pub fn find(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let begun = wall();
        let mut others = Vec::new();
        while since(begun) < PATIENCE {
            match self.next() {
                Some(event) if is(&event) => return event,
                Some(event) => others.push(event.name),
                None => panic!("the stream ended before {what}, after {others:?}"),
            }
        }
        panic!("{what} did not come within {PATIENCE:?}, but {others:?}");
    }

    /// What is left of an answer that ends.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stream
            .read_to_string(&mut rest)
            .expect("it ends in time");
        rest
    }
}
