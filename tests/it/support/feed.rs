//! The other side of the stream: whoever publishes what the instances say.

use super::nats::Nats;
use super::org::Instance;
use super::wait::wall;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

/// A publisher with heartbeats in the background, until it is dropped.
pub struct Feed {
    client: async_nats::Client,
    runtime: Handle,
    beats: Mutex<HashMap<Instance, Arc<Mutex<Beat>>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One instance's heartbeat.
struct Beat {
    on: bool,
    last: Option<SystemTime>,
}

impl Feed {
    /// Connects as the one user who may publish.
    pub fn connect(nats: &Nats) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs no more than threads");
        let handle = runtime.handle().clone();
        let options = async_nats::ConnectOptions::with_user_and_password(
            "feeder".to_owned(),
            "feeder".to_owned(),
        );
        let client = runtime
            .block_on(options.connect(nats.url()))
            .expect("the feeder may connect");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            // Ends by the message or by the sender's end: both mean stop.
            let _ = runtime.block_on(stopped);
        });
        Feed {
            client,
            runtime: handle,
            beats: Mutex::default(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Lets each of them beat from now on, the first beats spread over the interval.
    pub fn beat(&self, instances: &[Instance], every: Duration) {
        for (number, instance) in instances.iter().enumerate() {
            let beat = Arc::new(Mutex::new(Beat {
                on: true,
                last: None,
            }));
            self.beats().insert(instance.clone(), Arc::clone(&beat));
            let delay = every.mul_f64(number as f64 / instances.len() as f64);
            self.runtime.spawn(keep_beating(
                self.client.clone(),
                instance.clone(),
                beat,
                every,
                delay,
            ));
        }
    }

    /// Silences one; when it beat for the last time.
    #[track_caller]
    pub fn silence(&self, instance: &Instance) -> SystemTime {
        let beats = self.beats();
        let mut beat = lock(&beats[instance]);
        beat.on = false;
        beat.last.expect("it has beaten before it is silenced")
    }

    /// Silences everybody; when the last of them beat for the last time.
    #[track_caller]
    pub fn silence_all(&self) -> SystemTime {
        let instances: Vec<Instance> = self.beats().keys().cloned().collect();
        instances
            .iter()
            .map(|instance| self.silence(instance))
            .max()
            .expect("somebody beats")
    }

    /// Lets one beat again.
    pub fn resume(&self, instance: &Instance) {
        lock(&self.beats()[instance]).on = true;
    }

    /// Lets everybody beat again.
    pub fn resume_all(&self) {
        self.beats().values().for_each(|beat| lock(beat).on = true);
    }

    /// One entry of an instance's own output.
    pub fn say(&self, instance: &Instance, message: &str) {
        self.publish(vec![(
            instance.subject(),
            instance.entry(message).into_bytes(),
        )]);
    }

    /// Publishes all of them; returns when the server has them.
    pub fn publish(&self, messages: Vec<(String, Vec<u8>)>) {
        let client = &self.client;
        self.runtime.block_on(async {
            for (subject, payload) in messages {
                client
                    .publish(subject.clone(), payload.into())
                    .await
                    .unwrap_or_else(|error| panic!("{subject}: {error}"));
            }
            client
                .flush()
                .await
                .expect("the server takes what was published");
        });
    }

    fn beats(&self) -> MutexGuard<'_, HashMap<Instance, Arc<Mutex<Beat>>>> {
        self.beats
            .lock()
            .expect("no thread panics while it holds the beats")
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread has been printed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn keep_beating(
    client: async_nats::Client,
    instance: Instance,
    beat: Arc<Mutex<Beat>>,
    every: Duration,
    delay: Duration,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.reset_after(delay);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let on = {
            let mut beat = lock(&beat);
            if beat.on {
                beat.last = Some(wall());
            }
            beat.on
        };
        // While the server is away, one beat waits here for its return; the others are skipped.
        if on
            && client
                .publish(instance.subject(), instance.beat().into())
                .await
                .is_ok()
        {
            let _ = client.flush().await;
        }
    }
}

fn lock(beat: &Arc<Mutex<Beat>>) -> MutexGuard<'_, Beat> {
    beat.lock().expect("no thread panics while it holds a beat")
}
