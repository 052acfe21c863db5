//! The smallest HTTP client that serves: one request, one connection, HTTP/1.0.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No server of the tests may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// A server and, where it asks for one, a bearer token.
#[derive(Clone, Debug)]
pub struct Server {
    /// As in `127.0.0.1:80`.
    pub address: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
}

impl Server {
    /// A server on loopback without a token.
    pub fn local(port: u16) -> Self {
        Server {
            address: format!("127.0.0.1:{port}"),
            token: None,
        }
    }

    /// GET; an error where nothing answers.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask(&format!("GET {path} HTTP/1.0\r\n{}\r\n", self.headers()))
    }

    /// GET under another name of the server's; an error where nothing answers.
    pub fn get_as(&self, path: &str, host: &str) -> io::Result<Answer> {
        let headers = self.headers().replace(&self.address, host);
        self.ask(&format!("GET {path} HTTP/1.0\r\n{headers}\r\n"))
    }

    /// A request without a body; an error where nothing answers.
    pub fn ask_with(&self, method: &str, path: &str) -> io::Result<Answer> {
        self.ask(&format!(
            "{method} {path} HTTP/1.0\r\n{}\r\n",
            self.headers()
        ))
    }

    /// POST of a JSON body; an error where nothing answers.
    pub fn post(&self, path: &str, json: &serde_json::Value) -> io::Result<Answer> {
        self.post_text(path, "application/json", &json.to_string())
    }

    /// POST of a body of this type; an error where nothing answers.
    pub fn post_text(&self, path: &str, content_type: &str, body: &str) -> io::Result<Answer> {
        let headers = format!(
            "{}Content-Type: {content_type}\r\nContent-Length: {}\r\n",
            self.headers(),
            body.len()
        );
        self.ask(&format!("POST {path} HTTP/1.0\r\n{headers}\r\n{body}"))
    }

    fn headers(&self) -> String {
        let token = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        format!("Host: {}\r\n{token}", self.address)
    }

    fn ask(&self, request: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }
}

/// Text as it may stand in a query.
pub fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
