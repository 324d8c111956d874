//! The keys of the host and who may do what with them.

use super::chance;

/// The keys of a host.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// May do everything.
    pub master: String,
    /// The system key `eventgrid_extension`, for the Event Grid webhook.
    pub system: String,
    /// The default function key, for HTTP triggers.
    pub function: String,
}

impl Default for Keys {
    fn default() -> Self {
        let [master, system, function] = [(); 3].map(|()| chance::hex(32));
        Keys { master, system, function }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(..)")
    }
}

/// Whom a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No key, or one the host does not know.
    Nobody,
    /// The function key.
    Function,
    /// The Event Grid extension's system key.
    System,
    /// The master key.
    Master,
}

impl Keys {
    /// Who holds the key that the query (`code`) or the header (`x-functions-key`) names.
    pub(crate) fn caller(&self, query: Option<&str>, header: Option<&str>) -> Caller {
        match header.or(query) {
            Some(key) if key == self.master => Caller::Master,
            Some(key) if key == self.system => Caller::System,
            Some(key) if key == self.function => Caller::Function,
            Some(_) | None => Caller::Nobody,
        }
    }
}
