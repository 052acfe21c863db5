//! A server that speaks as much of Fly's Machines API as lastbeat asks, in the documented shapes, and fails as told.

use super::org::Instance;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::SystemTime;

/// The token that it knows.
pub const TOKEN: &str = "FlyV1 fm2_known,fm2_too";
/// The organisation that it knows.
pub const ORGANISATION: &str = "acme";

/// How it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    /// A status, with `Retry-After` where there is one, and this body.
    Status(u16, Option<u32>, String),
    /// 200 and this body.
    Body(String),
    /// Takes the request and never answers.
    Silence,
    /// 200 and a body without an end.
    Endless,
}

/// The server. It stands until the tests end.
pub struct MachinesServer {
    /// As in `http://127.0.0.1:80`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    machines: Vec<Value>,
    error_regions: Vec<&'static str>,
    /// Rows of the logs API, of whatever app.
    logs: Vec<Value>,
    page: usize,
    /// How, and which requests: those whose path holds the text.
    failing: Option<(String, Failing)>,
    requests: Vec<String>,
}

impl MachinesServer {
    /// A server without machines.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State {
            page: 1000,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client who goes in the middle is nobody's fault here.
                thread::spawn(move || drop(serve(client, &state)));
            }
        });
        let url = format!("http://{address}");
        MachinesServer { url, state }
    }

    /// From now on there are these, so many on a page.
    pub fn has(&self, machines: Vec<Value>, page: usize) {
        let mut state = lock(&self.state);
        state.machines = machines;
        state.page = page;
    }

    /// From now on the logs API has this entry too.
    pub fn logs(&self, instance: &Instance, said: SystemTime, message: &str) {
        let said = humantime::format_rfc3339_nanos(said).to_string();
        lock(&self.state).logs.push(json!({"id": "1", "attributes": {
            "timestamp": said, "message": message, "level": "info", "instance": instance.id,
            "region": instance.region, "meta": {"instance": instance.id, "event": {"provider": "app"}},
        }}));
    }

    /// From now on these regions cannot be read.
    pub fn cannot_read(&self, regions: &[&'static str]) {
        lock(&self.state).error_regions = regions.to_vec();
    }

    /// From now on requests fail whose path holds the text.
    pub fn fail(&self, holding: &str, how: Failing) {
        lock(&self.state).failing = Some((holding.to_owned(), how));
    }

    /// From now on none fails.
    pub fn recover(&self) {
        lock(&self.state).failing = None;
    }

    /// Every request so far, as in `GET /v1/orgs/acme/machines`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }
}

/// A machine as the API lists it.
pub fn machine(app: &str, region: &str, id: &str, state: &str) -> Value {
    json!({
        "id": id, "name": "quirky-machine-1", "state": state, "region": region, "app_name": app,
        "instance_id": "01G3BZ7C89Z46HBAVKY1BJ55BR", "private_ip": "fdaa:0:3ec2:a7b:5b66:ce41:374:2",
        "host_status": "ok", "created_at": "2022-05-18T16:15:13Z", "updated_at": "2022-05-18T16:15:13Z",
        "config": {
            "env": {"A": "b"}, "image": "registry.fly.io/web:deployment-1", "restart": {"policy": "always"},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}
        },
        "events": [
            {"id": "e2", "type": "exit", "status": "stopped", "source": "flyd", "timestamp": 1_652_890_000_000_i64,
             "request": {"exit_event": {"requested_stop": false, "exit_code": 137, "oom_killed": true,
                                        "restarting": false, "guest_exit_code": 0, "guest_signal": -1, "signal": -1}}},
            {"id": "e1", "type": "start", "status": "started", "source": "user", "timestamp": 1_652_880_000_000_i64}
        ]
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics while holding it")
}

fn serve(client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut client = client;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let (mut token, mut length) = (None, 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => {
                    token = Some(value.strip_prefix("Bearer ").unwrap_or(value).to_owned());
                }
                "content-length" => length = value.parse().expect("a number"),
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        lock(state).requests.push(request.clone());
        let failing = lock(state).failing.clone();
        match failing.filter(|(holding, _)| request.contains(holding)) {
            None if token.as_deref() != Some(TOKEN) => {
                // It may well say what it was sent.
                let said = format!(
                    "Authenticate: token validation error: {}",
                    token.unwrap_or_default()
                );
                respond(&mut client, 401, None, &json!({"error": said}).to_string())?;
            }
            None => {
                let (status, body) = answer(&request, &lock(state));
                respond(&mut client, status, None, &body.to_string())?;
            }
            Some((_, Failing::Status(status, wait, body))) => {
                respond(&mut client, status, wait, &body)?
            }
            Some((_, Failing::Body(body))) => respond(&mut client, 200, None, &body)?,
            Some((_, Failing::Silence)) => {
                // Until the client leaves.
                io::copy(&mut reader, &mut io::sink())?;
            }
            Some((_, Failing::Endless)) => {
                client.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"machines\": [",
                )?;
                let spaces = vec![b' '; 1 << 20];
                loop {
                    client.write_all(&spaces)?;
                }
            }
        }
    }
}

fn answer(request: &str, state: &State) -> (u16, Value) {
    let (method, target) = request.split_once(' ').expect("a request line");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let find = |app: &str, id: &str| {
        let is_it = |machine: &&Value| machine["app_name"] == app && machine["id"] == id;
        state.machines.iter().find(is_it)
    };
    match (method, parts.as_slice()) {
        ("GET", ["v1", "orgs", organisation, "machines"]) if *organisation == ORGANISATION => {
            (200, list(query, state))
        }
        ("GET", ["v1", "apps", app, "machines", id]) => find(app, id)
            .map_or((404, json!({"error": "not found"})), |machine| {
                (200, machine.clone())
            }),
        ("GET", ["api", "v1", "apps", _, "logs"]) => {
            let rows = json!({"data": state.logs, "meta": {"next_token": "1"}});
            (200, rows)
        }
        ("POST", ["v1", "apps", app, "machines", id, "restart"]) if find(app, id).is_some() => {
            (200, json!({"ok": true}))
        }
        _ => (404, json!({"error": "not found"})),
    }
}

/// One page: the cursor is opaque, and needs to be escaped in an address.
fn list(query: &str, state: &State) -> Value {
    let cursor = query.strip_prefix("cursor=from%3D%2B");
    let from: usize = cursor.map_or(0, |from| from.parse().expect("our own cursor"));
    let to = (from + state.page).min(state.machines.len());
    let mut page = json!({
        "machines": state.machines[from..to].iter().map(without_events).collect::<Vec<Value>>(),
        "last_machine_id": "x", "last_updated_at": "2022-05-18T16:15:13Z",
    });
    if to < state.machines.len() {
        page["next_cursor"] = json!(format!("from=+{to}"));
    }
    if !state.error_regions.is_empty() {
        page["error_regions"] = json!(state.error_regions);
    }
    page
}

fn without_events(machine: &Value) -> Value {
    let mut machine = machine.clone();
    machine
        .as_object_mut()
        .expect("a machine is an object")
        .remove("events");
    machine
}

fn respond(client: &mut TcpStream, status: u16, wait: Option<u32>, body: &str) -> io::Result<()> {
    let wait = wait
        .map(|wait| format!("Retry-After: {wait}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{wait}Content-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}
