//! Plain text: the title, everything a person needs, and the link to the page.

use super::wording::headline;
use crate::core::notice::Notice;
use crate::format;

/// The body.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> String {
    let mut text = format!("{}\n{}\n", headline(notice), format::description(notice));
    if let Some(page) = page {
        text.push_str(page);
        text.push('\n');
    }
    text
}
