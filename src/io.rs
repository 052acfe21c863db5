//! The room that **touches** the world: one file per outside party. The files here do not know each other.

pub mod alertmanager;
pub mod archive;
pub mod canary;
pub mod downstream;
pub mod email;
pub mod feed;
pub mod http;
pub mod http_client;
pub mod inventory;
pub mod memory;
pub mod metrics;
pub mod nats;
pub mod notifier;
pub mod rules_dir;
pub mod rules_watch;
pub mod sentry;
pub mod sink;
pub mod store;
pub mod token_file;
pub mod watchdog;
pub mod webhook;
