//! E-mail, to a server of the tests' own that speaks as RFC 5321 says.

use super::*;
use crate::core::last_words::LastWord;
use crate::core::notice::CloseReason;
use crate::core::rule::Severity;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Reply to a command that a test chooses; the others are answered as a healthy server does.
#[derive(Clone, Copy)]
struct Replies {
    /// Begin of a command, and the reply to it.
    to: (&'static str, &'static str),
}

const HEALTHY: Replies = Replies {
    to: ("NOTHING", ""),
};

/// A server on a free port; it gives every line that it hears, and each message without its dots.
async fn server(replies: Replies) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let (heard, hear) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, replies, heard.clone()));
        }
    });
    (port, hear)
}

async fn talk(mut stream: TcpStream, replies: Replies, heard: mpsc::UnboundedSender<String>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let mut reply = "220 mail.test ESMTP".to_owned();
    loop {
        if write
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
        if reply.starts_with("354") {
            let mut message = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "." {
                    break;
                }
                message.push_str(line.strip_prefix('.').unwrap_or(&line));
                message.push('\n');
            }
            let _ = heard.send(message);
            reply = "250 2.0.0 queued".to_owned();
            continue;
        }
        let Ok(Some(line)) = lines.next_line().await else {
            return;
        };
        let _ = heard.send(line.clone());
        let (begin, own) = replies.to;
        reply = match line.split([' ', ':']).next().unwrap_or_default() {
            _ if line.starts_with(begin) => own,
            "EHLO" => "250-mail.test\r\n250 8BITMIME",
            "DATA" => "354 go ahead",
            "QUIT" => "221 bye",
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 ok",
            _ => "502 unknown command",
        }
        .to_owned();
    }
}

fn email(url: &str) -> Email {
    let setup = EmailConfig {
        url: Secret::new(url),
        from: "lastbeat <lastbeat@example.com>".to_owned(),
        to: vec![
            "oncall@example.com".to_owned(),
            "ada@example.com".to_owned(),
        ],
        links: PageLinks {
            base: Some("https://lastbeat.example.com".to_owned()),
        },
        timeout: Duration::from_secs(30),
    };
    Email::new("mail", setup).expect("the addresses are valid")
}

fn rendered(email: &Email, notice: &Notice) -> RenderedNotice {
    RenderedNotice {
        incident: notice.incident,
        kind: notice.kind,
        severity: Severity::Error,
        body: email.render(notice),
        due_at: notice.due,
        queued_at: notice.decided,
    }
}

async fn send(email: &Email, notice: &Notice) -> Result<Answer, RequestFault> {
    let mut requests = email.requests(&rendered(email, notice), Wall::from_nanos(1 << 60));
    let request = requests.pop().expect("there is one");
    let carrier = request
        .extensions()
        .get::<Carrier>()
        .expect("it has its own way");
    (carrier.0)().await
}

async fn next_message(hear: &mut mpsc::UnboundedReceiver<String>) -> String {
    loop {
        let heard = hear.recv().await.expect("the server runs");
        if heard.contains('\n') {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_message_says_it_all_and_those_of_an_incident_are_a_thread() {
    let (port, mut hear) = server(HEALTHY).await;
    let email = email(&format!("smtp://127.0.0.1:{port}?tls=off"));
    let mut notice = crate::format::tests::notice();
    notice.runbook = Some("https://runbooks.example/silent".to_owned());
    notice.last_words = vec![LastWord {
        at: notice.since,
        payload: b".. Subject: \xe2\x82\xac \x1b[31mout of memory"[..].into(),
    }];
    let answer = send(&email, &notice).await.expect("a reply");
    assert_eq!(email.outcome(&answer, 0), Outcome::Delivered);
    let mut commands = Vec::new();
    let message = loop {
        let heard = hear.recv().await.expect("the server runs");
        if heard.contains('\n') {
            break heard;
        }
        commands.push(heard);
    };
    let has = |command: &str| commands.iter().any(|line| line.starts_with(command));
    for command in [
        "MAIL FROM:<lastbeat@example.com>",
        "RCPT TO:<oncall@example.com>",
        "RCPT TO:<ada@example.com>",
    ] {
        assert!(has(command), "{command} is not in {commands:?}");
    }
    let id = format!("Message-ID: <{}@lastbeat>", notice.incident);
    for line in ["Subject: [", "From: ", "To: ", "Date: ", &id] {
        assert!(message.contains(line), "{line} is not in {message}");
    }
    let link = format!(
        "https://lastbeat.example.com/#/incident/{}",
        notice.incident
    );
    let flat = message.replace("=\n", "").replace("=3D", "=");
    for text in [&link, "https://runbooks.example/silent", "out of memory"] {
        assert!(flat.contains(text), "{text} is not in {flat}");
    }
    assert!(!message.contains("\nSubject: \u{20ac}"), "{message}");

    notice.kind = NoticeKind::Closed(CloseReason::Resolved);
    send(&email, &notice).await.expect("a reply");
    let closing = next_message(&mut hear).await;
    let thread = format!("References: <{}@lastbeat>", notice.incident);
    assert!(
        closing.contains(&thread) && !closing.contains(&id),
        "{closing}"
    );
    assert!(closing.contains("Subject: [resolved]"), "{closing}");
}

#[tokio::test]
async fn a_reply_says_whether_another_attempt_makes_sense() {
    for (to, outcome) in [
        (("RCPT", "550 5.1.1 no such user"), Outcome::Rejected),
        (("MAIL", "451 4.7.1 greylisted"), Outcome::Retried),
        (("DATA", "421 closing"), Outcome::Retried),
    ] {
        let (port, _hear) = server(Replies { to }).await;
        let email = email(&format!("smtp://127.0.0.1:{port}?tls=off"));
        let answer = send(&email, &crate::format::tests::notice()).await;
        let answer = answer.expect("a reply");
        assert_eq!(email.outcome(&answer, 0), outcome, "{answer:?}");
        assert_eq!(answer.status.as_str(), &to.1[..3]);
    }
    let (port, _) = server(HEALTHY).await;
    let gone = email(&format!(
        "smtp://127.0.0.1:{}?tls=off",
        port.wrapping_add(1).max(1)
    ));
    let fault = send(&gone, &crate::format::tests::notice()).await;
    assert!(fault.is_err(), "{fault:?}");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password() {
    let (port, mut hear) = server(HEALTHY).await;
    let email = email(&format!("smtp://ada:s3cret@127.0.0.1:{port}"));
    let fault = send(&email, &crate::format::tests::notice()).await;
    let fault = format::error_chain(&fault.expect_err("it is not sent"));
    assert!(
        fault.contains("127.0.0.1") && !fault.contains("s3cret"),
        "{fault}"
    );
    hear.close();
    while let Some(line) = hear.recv().await {
        let is_harmless = ["EHLO", "QUIT"].iter().any(|begin| line.starts_with(begin));
        assert!(is_harmless, "{line}");
    }
    assert_eq!(email.redact("535 s3cret is wrong"), "535 *** is wrong");
}
