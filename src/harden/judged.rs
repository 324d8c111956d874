//! What a reading means for an item.

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is as the item wants it; nothing is sent.
    Already(String),
    /// Azure is at work on it; to be looked at again.
    Busy(String),
    /// One request makes it so.
    Change(Change),
    /// It must not be touched, for this reason.
    Refused(String),
}

/// How a request changes a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The whole resource is written.
    Put,
    /// It is deleted.
    Delete,
}

impl Verb {
    /// HTTP's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request, and what it means in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How it is now.
    pub now: String,
    /// How it will be.
    pub then: String,
    /// What it costs: money, and whom it may shut out.
    pub cost: &'static str,
    /// How the resource is changed.
    pub verb: Verb,
    /// The JSON that is sent; none for a deletion.
    pub body: Option<String>,
    /// The etag of what was read: Azure refuses the request if the resource changed since. None where Azure has no etag.
    pub if_match: Option<String>,
}

impl Change {
    /// Whether another change would send the same.
    pub fn sends_the_same(&self, other: &Self) -> bool {
        (self.verb, &self.body) == (other.verb, &other.body)
    }
}
