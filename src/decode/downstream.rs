//! Texts of downstreams: placeholders of queries, answers of sinks, and a shipper's metrics.

pub mod answer;
pub mod metrics_text;
pub mod newest;
pub mod template;
