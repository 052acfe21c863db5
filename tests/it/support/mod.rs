//! What the tests drive: real servers, the real program, and one way to wait.

pub mod alertmanager;
pub mod browser;
pub mod bugsink;
pub mod child;
pub mod clickhouse;
pub mod dns_server;
pub mod feed;
pub mod folder;
pub mod gate;
pub mod hook;
pub mod http;
pub mod lastbeat;
pub mod log_shipper;
pub mod machines_api;
pub mod metrics;
pub mod nats;
pub mod org;
pub mod prometheus;
pub mod proxy;
pub mod random;
pub mod receiver;
pub mod sse;
pub mod testbed;
pub mod wait;
