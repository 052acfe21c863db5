//! Notices as e-mail, sent over SMTP (RFC 5321) by lettre.
//!
//! The messages of one incident are a thread: each but the first names that one in `References`. `Message-ID` is the same
//! each time the same notice is sent, so that a mailbox keeps it once.

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::decode::smtp_url::{MailTls, SmtpUrl, smtp_url};
use crate::format;
use crate::io::http_client::{Answer, Carrier, RequestFault};
use crate::io::notifier::{Notifier, Outcome, PageLinks, RenderedNotice};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{self, client::Tls, client::TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The settings of a notifier of this type.
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// Address of the mail server, with user and password.
    pub url: Secret,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// Links to lastbeat's page.
    pub links: PageLinks,
    /// Time limit of an attempt.
    pub timeout: Duration,
}

/// The reason why a notifier cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EmailFault {
    /// The URL is none of a mail server.
    #[error("url: no address of a mail server")]
    Url,
    /// An address is invalid.
    #[error("invalid address {0:?}")]
    Address(String),
    /// TLS cannot be set up.
    #[error("TLS")]
    Tls(#[source] smtp::Error),
}

/// A notifier that sends e-mail.
pub struct Email {
    name: String,
    server: SmtpUrl,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    links: PageLinks,
    timeout: Duration,
}

impl Email {
    /// The notifier of that name.
    ///
    /// # Errors
    /// [`EmailFault`] if an address is invalid, or TLS cannot be set up.
    pub fn new(name: &str, setup: EmailConfig) -> Result<Self, EmailFault> {
        let server = smtp_url(setup.url.reveal()).ok_or(EmailFault::Url)?;
        let mailbox = |text: &String| {
            let fault = |_| EmailFault::Address(text.clone());
            text.parse::<Mailbox>().map_err(fault)
        };
        let tls = match server.tls {
            MailTls::Off => Tls::None,
            MailTls::StartTls => Tls::Required(parameters(&server.host)?),
            MailTls::Implicit => Tls::Wrapper(parameters(&server.host)?),
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .timeout(Some(setup.timeout))
            .tls(tls);
        let transport = match server.login.clone() {
            Some((user, password)) => transport.credentials(Credentials::new(user, password)),
            None => transport,
        };
        Ok(Email {
            name: name.to_owned(),
            transport: transport.build(),
            server,
            from: mailbox(&setup.from)?,
            to: setup.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            links: setup.links,
            timeout: setup.timeout,
        })
    }

    /// The message of a notice; `None` where its stored body makes no sense.
    fn message(&self, rendered: &RenderedNotice, now: Wall) -> Option<Message> {
        let body: Value = serde_json::from_slice(&rendered.body).ok()?;
        let thread = format!("<{}@lastbeat>", rendered.incident);
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(now.nanos());
        let message = Message::builder()
            .from(self.from.clone())
            .subject(body["subject"].as_str()?)
            .date(at)
            .message_id(Some(message_id(rendered.incident, rendered.kind)))
            .header(ContentType::TEXT_PLAIN);
        let message = match rendered.kind {
            NoticeKind::Opened => message,
            _ => message.in_reply_to(thread.clone()).references(thread),
        };
        let to = self.to.iter().cloned();
        let message = to.fold(message, |message, to| message.to(to));
        message.body(body["text"].as_str()?.to_owned()).ok()
    }
}

fn parameters(host: &str) -> Result<TlsParameters, EmailFault> {
    TlsParameters::new(host.to_owned()).map_err(EmailFault::Tls)
}

/// `<incident@lastbeat>` for the opening, which the others refer to.
fn message_id(incident: IncidentId, kind: NoticeKind) -> String {
    match kind {
        NoticeKind::Opened => format!("<{incident}@lastbeat>"),
        NoticeKind::Updated(count) | NoticeKind::Reminder(count) => {
            format!("<{incident}-{}-{count}@lastbeat>", kind.label())
        }
        NoticeKind::Closed(_) => format!("<{incident}-{}@lastbeat>", kind.label()),
    }
}

/// The text: everything that a person needs, and the way to the page.
fn text(notice: &Notice, page: Option<&str>) -> String {
    let mut text = format!("{}\n", format::description(notice));
    let mut line = |name: &str, value: &str| text.push_str(&format!("\n{name}: {value}"));
    line("rule", &format::name(&notice.rule));
    for (name, value) in &notice.labels {
        line(name, &format::name(value));
    }
    if let Some(page) = page {
        line("incident", page);
    }
    let runbooks = &notice.between.runbooks;
    let alone = notice.runbook.iter().filter(|_| runbooks.is_empty());
    for runbook in runbooks.iter().chain(alone) {
        line("runbook", &format::sanitize(runbook, format::TEXT_CHARS));
    }
    if !notice.last_words.is_empty() {
        text.push_str("\n\nIts last words:");
        for word in &notice.last_words {
            let said = String::from_utf8_lossy(&word.payload);
            let said = format::sanitize(&said, format::TEXT_CHARS);
            text.push_str(&format!("\n{}  {said}", format::rfc3339(word.at)));
        }
    }
    text.push('\n');
    text
}

impl Notifier for Email {
    fn name(&self) -> &str {
        &self.name
    }

    fn render(&self, notice: &Notice) -> Bytes {
        let page = self.links.of(notice);
        let body = json!({
            "subject": format::marked_headline(notice),
            "text": text(notice, page.as_deref()),
        });
        body.to_string().into()
    }

    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        let Some(message) = self.message(rendered, now) else {
            return Vec::new();
        };
        let (transport, envelope) = (self.transport.clone(), message.envelope().clone());
        let bytes: Arc<[u8]> = message.formatted().into();
        let peer = format!("smtp://{}:{}", self.server.host, self.server.port);
        let send = move || {
            let (transport, envelope) = (transport.clone(), envelope.clone());
            let (bytes, peer) = (Arc::clone(&bytes), peer.clone());
            async move { answer(transport.send_raw(&envelope, &bytes).await, peer) }.boxed()
        };
        let mut request = Request::new(Full::default());
        request.extensions_mut().insert(Carrier(Arc::new(send)));
        vec![request]
    }

    fn redact(&self, text: &str) -> String {
        let secrets = self.server.login.iter().map(|(_, password)| password);
        let secrets = secrets.filter(|password| !password.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// Replies of SMTP: 4yz asks for another attempt, 5yz is a refusal.
    fn outcome(&self, answer: &Answer, _failed: u32) -> Outcome {
        match answer.status.as_u16() {
            200..=299 => Outcome::Delivered,
            500..=599 => Outcome::Rejected,
            _ => Outcome::Retried,
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// The server's reply, with its code as the status.
fn answer(
    sent: Result<smtp::response::Response, smtp::Error>,
    peer: String,
) -> Result<Answer, RequestFault> {
    let (code, said) = match sent {
        Ok(reply) => (reply.code(), reply.message().collect::<Vec<_>>().join(" ")),
        Err(fault) => match fault.status() {
            Some(code) => (code, fault.to_string()),
            None if fault.is_response() => {
                return Err(RequestFault::Exchange {
                    peer,
                    source: fault.to_string().into(),
                });
            }
            None => {
                return Err(RequestFault::Connect {
                    peer,
                    hint: "",
                    source: fault.to_string().into(),
                });
            }
        },
    };
    let status = StatusCode::from_u16(code.into()).unwrap_or(StatusCode::BAD_GATEWAY);
    Ok(Answer {
        status,
        retry_after: None,
        location: None,
        rate_limits: None,
        body: said.into_bytes().into(),
    })
}

#[cfg(test)]
mod tests;
