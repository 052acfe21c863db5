//! A DNS server that says what a test wants it to: TXT records over UDP, cut where they do not fit, and over TCP.

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype, ToName, Ttl};
use domain::rdata::rfc1035::TxtBuilder;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// Bytes of an answer over UDP for whoever does not say that it takes more.
const PLAIN: usize = 512;
/// What DNS takes in one message.
const LONGEST: usize = 65_535;
/// As Fly's.
const TTL_SECONDS: u32 = 5;

/// What is under a name.
#[derive(Clone, Debug)]
pub enum Said {
    /// A record for each text, each in as many strings as it takes.
    Texts(Vec<String>),
    /// A name without such records.
    Nothing,
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failed,
    /// No answer at all.
    Silence,
    /// Bytes that are no message.
    Garbage,
    /// An answer over UDP that is cut, and over TCP these bytes.
    GarbageOverTcp,
}

/// The server. It stands until the tests end.
pub struct DnsServer {
    /// Where it stands.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    said: HashMap<String, Said>,
    over_udp: u32,
    over_tcp: u32,
}

impl DnsServer {
    /// A server that knows no name.
    pub fn start() -> Self {
        // Both take the same port: the client goes from one to the other.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
            let address = udp.local_addr().expect("bound");
            if let Ok(tcp) = TcpListener::bind(address) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State::default()));
        let (of_udp, of_tcp) = (Arc::clone(&state), Arc::clone(&state));
        thread::spawn(move || serve_udp(&udp, &of_udp));
        thread::spawn(move || {
            for client in tcp.incoming().flatten() {
                let state = Arc::clone(&of_tcp);
                // A client who goes in the middle is nobody's fault here.
                thread::spawn(move || serve_tcp(client, &state));
            }
        });
        DnsServer { address, state }
    }

    /// From now on says this of a name.
    pub fn say(&self, name: &str, said: Said) {
        lock(&self.state).said.insert(name.to_owned(), said);
    }

    /// The same with one text.
    pub fn say_text(&self, name: &str, text: impl Into<String>) {
        self.say(name, Said::Texts(vec![text.into()]));
    }

    /// Questions so far over UDP and over TCP.
    pub fn asked(&self) -> (u32, u32) {
        let state = lock(&self.state);
        (state.over_udp, state.over_tcp)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics while holding it")
}

fn serve_udp(socket: &UdpSocket, state: &Mutex<State>) {
    let mut bytes = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut bytes) {
        lock(state).over_udp += 1;
        if let Some(answer) = answer(&bytes[..length], state, true) {
            socket.send_to(&answer, client).expect("loopback takes it");
        }
    }
}

fn serve_tcp(mut client: TcpStream, state: &Mutex<State>) -> Option<()> {
    loop {
        let mut length = [0; 2];
        client.read_exact(&mut length).ok()?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        client.read_exact(&mut question).ok()?;
        lock(state).over_tcp += 1;
        let answer = answer(&question, state, false)?;
        let length = u16::try_from(answer.len()).expect("no answer is longer");
        client.write_all(&length.to_be_bytes()).ok()?;
        client.write_all(&answer).ok()?;
    }
}

/// `None`: no answer.
fn answer(question: &[u8], state: &Mutex<State>, is_udp: bool) -> Option<Vec<u8>> {
    let question = Message::from_octets(question).expect("lastbeat asks in DNS");
    let asked = question.first_question().expect("and asks something");
    assert_eq!(asked.qtype(), Rtype::TXT);
    let name = asked.qname().to_string();
    let said = lock(state).said.get(&name).cloned();
    let (rcode, texts) = match said.unwrap_or(Said::NoSuchName) {
        Said::Texts(texts) => (Rcode::NOERROR, texts),
        Said::Nothing => (Rcode::NOERROR, Vec::new()),
        Said::NoSuchName => (Rcode::NXDOMAIN, Vec::new()),
        Said::Failed => (Rcode::SERVFAIL, Vec::new()),
        Said::Silence => return None,
        Said::Garbage => return Some(b"\x07oops".to_vec()),
        Said::GarbageOverTcp if is_udp => return Some(cut(&question)),
        Said::GarbageOverTcp => return Some(b"\x07oops".to_vec()),
    };
    let room = match question.opt() {
        Some(opt) if is_udp => usize::from(opt.udp_payload_size()).max(PLAIN),
        None if is_udp => PLAIN,
        _ => LONGEST,
    };
    let answer = whole(&question, rcode, &texts).filter(|answer| answer.len() <= room);
    Some(answer.unwrap_or_else(|| cut(&question)))
}

/// `None` where it does not fit in any message.
fn whole(question: &Message<&[u8]>, rcode: Rcode, texts: &[String]) -> Option<Vec<u8>> {
    let builder = MessageBuilder::new_vec();
    let mut answer = builder
        .start_answer(question, rcode)
        .expect("there is room");
    let name: Name<Vec<u8>> = question.first_question()?.qname().to_name();
    for text in texts {
        let mut record = TxtBuilder::<Vec<u8>>::new();
        // Which makes strings of 255 bytes of it.
        record.append_slice(text.as_bytes()).ok()?;
        let record = record.finish().ok()?;
        answer
            .push((name.clone(), Ttl::from_secs(TTL_SECONDS), record))
            .ok()?;
    }
    Some(answer.finish())
}

fn cut(question: &Message<&[u8]>) -> Vec<u8> {
    let builder = MessageBuilder::new_vec();
    let mut answer = builder
        .start_answer(question, Rcode::NOERROR)
        .expect("there is room");
    answer.header_mut().set_tc(true);
    answer.finish()
}
