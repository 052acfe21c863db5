//! The notices that readers of events get.

use crate::core::engine::Output;
use crate::io::http::events::Events;
use std::sync::Arc;

/// Sends each notice to the readers of events, beside the listener.
pub(super) fn publishing(
    events: Arc<Events>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> Box<dyn FnMut(&Output) + Send> {
    Box::new(move |output| {
        listener(output);
        if let Output::Notify(notice) = output {
            events.publish(notice);
        }
    })
}
