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
    let all = list.into_iter().flat_map(|list| list.split(','));
    let all = all.map(str::trim).filter(|glob| !glob.is_empty());
    Globs(all.map(str::to_owned).collect())
}
