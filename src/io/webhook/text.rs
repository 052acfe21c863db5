//! Plain text: two lines.

use super::wording::headline;
use crate::core::notice::Notice;
use crate::format;

/// The body.
pub(super) fn body(notice: &Notice) -> String {
    format!("{}\n{}\n", headline(notice), format::description(notice))
}
