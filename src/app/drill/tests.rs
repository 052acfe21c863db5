use super::*;
use crate::core::time::Mono;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::sync::Mutex;

/// A notifier whose bytes are the title.
struct Plain(&'static str);

impl Notifier for Plain {
    fn name(&self) -> &str {
        self.0
    }

    fn render(&self, notice: &Notice) -> Bytes {
        format::description(notice).into()
    }

    fn requests(
        &self,
        rendered: &RenderedNotice,
        _: crate::core::time::Wall,
    ) -> Vec<Request<Full<Bytes>>> {
        let request = Request::post(format!("http://{}/s3cret", self.0))
            .body(Full::new(rendered.body.clone()));
        vec![request.expect("a request")]
    }

    fn redact(&self, text: &str) -> String {
        text.replace("s3cret", "***")
    }
}

#[tokio::test]
async fn each_is_told_of_beginning_and_end_and_one_that_refuses_is_not_told_the_end() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let http_send: HttpSend = Arc::new(move |request: Request<Full<Bytes>>| {
        let hears = Arc::clone(&hears);
        Box::pin(async move {
            let host = request.uri().host().expect("a host").to_owned();
            let body = http_body_util::BodyExt::collect(request.into_body())
                .await
                .expect("bytes")
                .to_bytes();
            let body = String::from_utf8(body.to_vec()).expect("text");
            let status = if host == "good" {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            hears
                .lock()
                .expect("no test panics with it")
                .push((host, body));
            let body = Bytes::from_static(b"no s3cret here");
            Ok(Answer {
                status,
                retry_after: None,
                location: None,
                rate_limits: None,
                body,
            })
        })
    });
    let notifiers: Vec<Arc<dyn Notifier>> = vec![Arc::new(Plain("good")), Arc::new(Plain("bad"))];
    let now: NowFn = Arc::new(|| Now {
        mono: Mono::ZERO,
        wall: crate::clock::wall(),
    });
    let rows = drill(&notifiers, &http_send, &now).await;
    let names: Vec<(&str, bool)> = rows
        .iter()
        .map(|row| (&*row.notifier, row.is_well()))
        .collect();
    assert_eq!(names, [("good", true), ("bad", false)]);
    assert_eq!(rows[0].opened.said, "200 OK");
    assert_eq!(
        (&*rows[1].opened.said, &rows[1].closed),
        ("403 Forbidden no *** here", &None)
    );
    let heard = heard.lock().expect("no test panics with it");
    assert_eq!(heard.len(), 3);
    assert!(
        heard
            .iter()
            .all(|(_, text)| text.starts_with("LastbeatDrill: ") && text.contains("test")),
        "{heard:?}"
    );
    assert!(
        heard
            .iter()
            .any(|(to, text)| to == "good" && text.contains("is over")),
        "{heard:?}"
    );
}
