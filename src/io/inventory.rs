//! Fly's inventory: which machines there are, asked of its private DNS or of its Machines API.
//!
//! A failed poll says nothing: it must not be taken for "there are none".

pub mod dns;
pub mod fault_kind;
pub mod logs;
pub mod machines;
pub mod token;

pub use fault_kind::InventoryFaultKind;
pub use machines::POLL_WITHIN;

use crate::core::inventory::Candidate;
use crate::decode::inventory::Read;
use dns::{Dns, DnsFault};
use machines::{MachinesApiFault, Organisation};
use std::time::Duration;

/// Where the inventory is asked.
pub enum InventorySource {
    /// Fly's private DNS.
    Dns(Dns),
    /// Fly's Machines API.
    Machines(Organisation),
}

/// A failed poll.
#[derive(Debug, thiserror::Error)]
pub enum InventoryFault {
    /// The private DNS.
    #[error(transparent)]
    Dns(#[from] DnsFault),
    /// The Machines API.
    #[error(transparent)]
    Machines(#[from] MachinesApiFault),
    /// All its questions together took too long.
    #[error(
        "the inventory was not read within {POLL_WITHIN:?}; the network is too slow for so many machines"
    )]
    TimedOut,
}

impl InventoryFault {
    /// Its kind.
    pub fn kind(&self) -> InventoryFaultKind {
        match self {
            InventoryFault::Dns(fault) => fault.kind(),
            InventoryFault::Machines(fault) => fault.kind(),
            InventoryFault::TimedOut => InventoryFaultKind::TimedOut,
        }
    }

    /// The API's Retry-After; `None`: it sent none.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            InventoryFault::Machines(MachinesApiFault::TooOften { retry_after }) => *retry_after,
            _ => None,
        }
    }
}

impl InventorySource {
    /// The label's value.
    pub fn label(&self) -> &'static str {
        match self {
            InventorySource::Dns(_) => "dns",
            InventorySource::Machines(_) => "machines",
        }
    }

    /// Asks once, for at most [`POLL_WITHIN`]. How `candidates` ended is asked for where they are listed as stopped or
    /// failed, and where there is one to ask.
    ///
    /// # Errors
    /// [`InventoryFault`] where not every machine could be asked for: such an answer says nothing of those it lacks.
    pub async fn poll(&self, candidates: &[Candidate]) -> Result<Read, InventoryFault> {
        let asked = async {
            match self {
                InventorySource::Dns(dns) => dns.poll().await.map_err(InventoryFault::from),
                InventorySource::Machines(organisation) => organisation
                    .poll(candidates)
                    .await
                    .map_err(InventoryFault::from),
            }
        };
        let answer = tokio::time::timeout(POLL_WITHIN, asked).await;
        answer.unwrap_or(Err(InventoryFault::TimedOut))
    }
}
