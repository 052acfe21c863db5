//! The flags that name the instances whose entries are asked for.

use crate::core::rule::Globs;
use clap::Args;

/// Globs of apps, regions and instances; all where they are left out.
#[derive(Clone, Debug, Args)]
pub(super) struct ScopeArgs {
    /// Apps, as globs separated by commas
    #[arg(long, value_name = "GLOBS")]
    pub app: Option<String>,
    /// Regions, as globs separated by commas
    #[arg(long, value_name = "GLOBS")]
    pub region: Option<String>,
    /// Instances, as globs separated by commas
    #[arg(long, value_name = "GLOBS")]
    pub instance: Option<String>,
}

/// The globs of a list with commas; none where it is left out.
pub(super) fn globs(list: Option<&str>) -> Globs {
    list.map(Globs::of_list).unwrap_or_default()
}
