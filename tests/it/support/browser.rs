//! A real Chromium, driven by its own driver in the words of WebDriver.

use super::child::{Child, command};
use super::folder::Folder;
use super::wait::{wait_for, wait_until};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// Chromium is up within a second or two, on a busy machine within this.
const START: Duration = Duration::from_secs(60);
/// What the page shows comes each second or two.
const SOON: Duration = Duration::from_secs(90);
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are no letters, as WebDriver writes them.
pub mod keys {
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Arrow down.
    pub const DOWN: &str = "\u{e015}";
    /// Arrow right.
    pub const RIGHT: &str = "\u{e014}";
}

/// Starts the driver; `None` where the port that it chose for IPv6 is somebody else's for IPv4.
#[track_caller]
fn start_driver(profile: &Folder) -> Option<(Child, u16)> {
    let mut command = command("chromedriver");
    command.arg("--port=0").env("HOME", profile.path());
    let mut child = Child::start("chromedriver", &mut command);
    let port = child.wait_line("the port of chromedriver", START, |line| {
        if line.starts_with("IPv4 port not available") {
            return Some(None);
        }
        let digits = line.split_once("started successfully on port ")?.1;
        digits.trim_end_matches('.').parse().ok().map(Some)
    });
    port.map(|port| (child, port))
}

/// Ports that the driver may choose in vain.
const TRIES: usize = 5;

/// A browser with one window.
pub struct Browser {
    driver: Driver,
    session: String,
    _child: Child,
    _profile: Folder,
}

impl Browser {
    /// Starts one with a fresh profile and a window for a desk.
    #[track_caller]
    pub fn start() -> Self {
        let profile = Folder::new("chromium");
        let (child, port) = (0..TRIES)
            .find_map(|_| start_driver(&profile))
            .expect("chromedriver finds a port that is free");
        let data = format!("--user-data-dir={}", profile.path().display());
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
                     --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars --window-size=1280,900";
        let args: Vec<&str> = flags.split_whitespace().chain([data.as_str()]).collect();
        let driver = Driver { port };
        let asked = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = driver.ask("POST", "/session", &asked);
        Browser {
            driver,
            session: made["sessionId"]
                .as_str()
                .expect("a session has an id")
                .to_owned(),
            _child: child,
            _profile: profile,
        }
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// Runs a function's body within the page; what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression within the page is true.
    #[track_caller]
    pub fn wait(&self, what: &str, expression: &str) {
        wait_until(what, SOON, || {
            self.run(&format!("return Boolean({expression})")) == true
        });
    }

    /// The text of an element as it is shown; empty where it is not.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let script = format!(
            "const node = document.querySelector({css:?}); return node?.checkVisibility() ? node.innerText : ''"
        );
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Keeps the page from an address: whatever it asks of it fails.
    #[track_caller]
    pub fn keep_from(&self, pattern: &str) {
        self.devtools("Network.enable", json!({}));
        self.devtools("Network.setBlockedURLs", json!({"urls": [pattern]}));
    }

    /// Clicks an element where it is, as a mouse does.
    #[track_caller]
    pub fn click(&self, css: &str) {
        // The page may be drawn anew between the two: that element is gone, and another one is there.
        wait_until(&format!("a click on {css}"), SOON, || {
            let element = self.find(css);
            let path = format!("/session/{}/element/{element}/click", self.session);
            let said = self.driver.exchange("POST", &path, "{}");
            let said = said.expect("chromedriver answers");
            let said: Value = serde_json::from_str(&said).expect("chromedriver answers in JSON");
            let fault = &said["value"]["error"];
            let is_stale = fault == "stale element reference";
            assert!(fault.is_null() || is_stale, "click on {css}: {said}");
            fault.is_null()
        });
    }

    /// Types into an element.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.ask(
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Presses keys one after the other, wherever the focus is.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        let press = |key: &&str| {
            [
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]
        };
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        let asked = json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]});
        self.ask("actions", &asked);
    }

    /// Makes the window one of a phone.
    #[track_caller]
    pub fn on_a_phone(&self) {
        let phone = json!({"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", phone);
    }

    /// Makes the window one of this many points; one of few is a phone's.
    #[track_caller]
    pub fn sized(&self, (width, height): (u32, u32)) {
        let is_phone = width < 600;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Prefers a dark page.
    #[track_caller]
    pub fn in_the_dark(&self) {
        let dark = json!({"features": [
            {"name": "prefers-color-scheme", "value": "dark"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.devtools("Emulation.setEmulatedMedia", dark);
    }

    /// What the page's cookies are, as WebDriver tells them.
    #[track_caller]
    pub fn cookies(&self) -> Value {
        let path = format!("/session/{}/cookie", self.session);
        self.driver.ask("GET", &path, &Value::Null)
    }

    /// What the console has said since it was asked last, at a level that people look at.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.ask("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("a list of entries").clone();
        let loud = entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        loud.map(|entry| entry["message"].to_string()).collect()
    }

    /// Prefers a page that does not move.
    #[track_caller]
    pub fn with_less_motion(&self) {
        let still = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
        self.devtools("Emulation.setEmulatedMedia", still);
    }

    /// Runs a program of its own within the page, whatever its policy; what it, or its promise, gives.
    #[track_caller]
    pub fn evaluate(&self, program: &str) -> Value {
        let asked = json!({"expression": program, "awaitPromise": true, "returnByValue": true});
        let mut said = self.devtools("Runtime.evaluate", asked);
        let fault = &said["exceptionDetails"];
        assert!(fault.is_null(), "{fault}");
        said["result"]["value"].take()
    }

    /// One of the browser's own measures of the page, such as `TaskDuration` in seconds.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        self.devtools("Performance.enable", json!({}));
        let said = self.devtools("Performance.getMetrics", json!({}));
        let all = said["metrics"].as_array().expect("a list of measures");
        let found = all.iter().find(|one| one["name"] == name);
        found
            .and_then(|one| one["value"].as_f64())
            .expect("the browser knows this measure")
    }

    /// Keeps a picture of the whole page, where `LASTBEAT_SCREENSHOTS` names a folder for such.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        self.capture(name, true);
    }

    /// Keeps a picture of what the window shows, as [`Self::picture`] does.
    #[track_caller]
    pub fn screen(&self, name: &str) {
        self.capture(name, false);
    }

    fn capture(&self, name: &str, is_whole: bool) {
        let Some(folder) = std::env::var_os("LASTBEAT_SCREENSHOTS") else {
            return;
        };
        let shot = self.devtools(
            "Page.captureScreenshot",
            json!({"captureBeyondViewport": is_whole}),
        );
        let bytes = BASE64.decode(shot["data"].as_str().unwrap_or_default().as_bytes());
        let path = Path::new(&folder).join(format!("{name}.png"));
        fs::create_dir_all(&folder).expect("the folder for pictures can be made");
        fs::write(&path, bytes.expect("a picture is base64")).expect("a picture can be written");
    }

    fn devtools(&self, command: &str, params: Value) -> Value {
        self.ask(
            "goog/cdp/execute",
            &json!({"cmd": command, "params": params}),
        )
    }

    fn find(&self, css: &str) -> String {
        let asked = json!({"using": "css selector", "value": css});
        wait_for(&format!("an element {css}"), SOON, || {
            let path = format!("/session/{}/elements", self.session);
            let found = self.driver.ask("POST", &path, &asked);
            found[0][ELEMENT].as_str().map(str::to_owned)
        })
    }

    fn ask(&self, what: &str, asked: &Value) -> Value {
        let path = format!("/session/{}/{what}", self.session);
        self.driver.ask("POST", &path, asked)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser; killed alone, it would leave it behind.
        let path = format!("/session/{}", self.session);
        let _ = self.driver.exchange("DELETE", &path, "");
    }
}

/// Chromedriver: it speaks HTTP/1.1 only.
struct Driver {
    port: u16,
}

impl Driver {
    #[track_caller]
    fn ask(&self, method: &str, path: &str, asked: &Value) -> Value {
        let body = if asked.is_null() {
            String::new()
        } else {
            asked.to_string()
        };
        let said = self.exchange(method, path, &body);
        let said = said.unwrap_or_else(|fault| panic!("{method} {path} {body}: {fault}"));
        let mut said: Value = serde_json::from_str(&said).expect("chromedriver answers in JSON");
        let fault = &said["value"]["error"];
        assert!(fault.is_null(), "{method} {path} {body}: {}", said["value"]);
        said["value"].take()
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let address = format!("127.0.0.1:{}", self.port);
        let mut stream = TcpStream::connect(&address)?;
        stream.set_read_timeout(Some(START))?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while answer.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body)?;
        String::from_utf8(body).map_err(io::Error::other)
    }
}
