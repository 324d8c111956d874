//! What a request asks for, from its method, path and query.

use http::{Method, Uri};

use super::amend::Amend;
use super::around::Around;
use super::fault::RequestKind;
use super::id::ClusterId;
use super::kind::Kind;
use super::operation::Deed;
use super::polling::Poll;

/// A request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Cluster { verb: Verb, id: ClusterId },
    Poll { kind: Kind, poll: Poll, subscription: String, operation: String },
    ActivityLog { subscription: String },
    ResourceGraph,
    Around(Around),
    Amend(Amend),
    Token,
    Unknown,
}

/// What to do with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Put,
    Act(Action),
}

/// What a request does to a cluster without a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Delete,
    Start,
    Stop,
}

impl Verb {
    /// What the activity log calls it; reads are not in there.
    pub(super) fn deed(self) -> Option<Deed> {
        match self {
            Self::Get => None,
            Self::Put => Some(Deed::Put),
            Self::Act(Action::Delete) => Some(Deed::Delete),
            Self::Act(Action::Start) => Some(Deed::Start),
            Self::Act(Action::Stop) => Some(Deed::Stop),
        }
    }

    fn kind(self) -> RequestKind {
        match self {
            Self::Get => RequestKind::GetCluster,
            Self::Put => RequestKind::PutCluster,
            Self::Act(Action::Delete) => RequestKind::DeleteCluster,
            Self::Act(Action::Start) => RequestKind::Start,
            Self::Act(Action::Stop) => RequestKind::Stop,
        }
    }
}

impl Target {
    /// Segments are compared without case, as ARM does.
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        // An id with an escape in it is never needed here: no name may hold such characters.
        if uri.path().contains('%') {
            return Self::Unknown;
        }
        let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let known = match (lower.as_slice(), segments.as_slice()) {
            (["msi", "token"], _) if method == Method::GET => Some(Self::Token),
            (["providers", "microsoft.resourcegraph", "resources"], _) if method == Method::POST => {
                Some(Self::ResourceGraph)
            }
            (
                ["subscriptions", _, "providers", "microsoft.insights", "eventtypes", "management", "values"],
                [_, subscription, ..],
            ) if method == Method::GET => {
                Some(Self::ActivityLog { subscription: (*subscription).to_owned() })
            }
            (
                [
                    "subscriptions",
                    _,
                    "providers",
                    provider @ ("microsoft.containerservice" | "microsoft.containerinstance"),
                    "locations",
                    _,
                    what,
                    _,
                ],
                [_, subscription, .., operation],
            ) if method == Method::GET => poll(provider, what, subscription, operation),
            (
                [
                    "subscriptions",
                    _,
                    "resourcegroups",
                    _,
                    "providers",
                    "microsoft.containerservice",
                    "managedclusters",
                    _,
                    rest @ ..,
                ],
                [_, subscription, _, group, _, _, _, name, ..],
            ) => {
                let id = ClusterId::new(subscription, group, name);
                let around = Around::of_cluster(method, rest, &id, &segments).map(Self::Around);
                around
                    .or_else(|| Amend::of_cluster(method, rest, &id, &segments).map(Self::Amend))
                    .or_else(|| verb_of(method, rest).map(|verb| Self::Cluster { verb, id }))
            }
            (
                [
                    "subscriptions",
                    _,
                    "resourcegroups",
                    _,
                    "providers",
                    "microsoft.containerinstance",
                    "containergroups",
                    _,
                    rest @ ..,
                ],
                [_, subscription, _, group, _, _, _, name, ..],
            ) => {
                let id = ClusterId::group(subscription, group, name);
                // Nothing here makes or changes a group.
                let verb = verb_of(method, rest).filter(|verb| *verb != Verb::Put);
                verb.map(|verb| Self::Cluster { verb, id })
            }
            _ => Around::of(method, &lower, &segments)
                .map(Self::Around)
                .or_else(|| Amend::of(method, &lower, &segments).map(Self::Amend)),
        };
        known.unwrap_or(Self::Unknown)
    }

    pub(super) fn kind(&self) -> RequestKind {
        match self {
            Self::Cluster { verb, .. } => verb.kind(),
            Self::Poll { poll: Poll::Operations, .. } => RequestKind::GetOperation,
            Self::Poll { poll: Poll::OperationResults, .. } => RequestKind::GetOperationResult,
            Self::ActivityLog { .. } => RequestKind::ListActivityLog,
            Self::ResourceGraph => RequestKind::QueryResourceGraph,
            Self::Around(around) => around.kind(),
            Self::Amend(amend) => amend.kind(),
            Self::Token => RequestKind::Token,
            Self::Unknown => RequestKind::Unknown,
        }
    }

    /// The right that the request needs, by its name in role definitions.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Cluster { verb, id } => {
                verb.deed().map_or(id.kind.read_action(), |deed| id.kind.operation_name(deed))
            }
            Self::Poll { kind, poll, .. } => match (kind, poll) {
                (Kind::ManagedCluster, Poll::Operations) => {
                    "Microsoft.ContainerService/locations/operations/read"
                }
                (Kind::ManagedCluster, Poll::OperationResults) => {
                    "Microsoft.ContainerService/locations/operationresults/read"
                }
                (Kind::ContainerGroup, Poll::Operations | Poll::OperationResults) => {
                    "Microsoft.ContainerInstance/locations/operationresults/read"
                }
            },
            Self::ActivityLog { .. } => "Microsoft.Insights/eventtypes/values/read",
            Self::ResourceGraph => "Microsoft.ResourceGraph/resources/read",
            Self::Around(around) => around.action(),
            Self::Amend(amend) => amend.action(),
            Self::Token | Self::Unknown => "*",
        }
    }

    pub(super) fn cluster(&self) -> Option<&ClusterId> {
        match self {
            Self::Cluster { id, .. } => Some(id),
            Self::Around(around) => around.cluster(),
            Self::Poll { .. }
            | Self::ActivityLog { .. }
            | Self::Amend(_)
            | Self::ResourceGraph
            | Self::Token
            | Self::Unknown => None,
        }
    }

    pub(super) fn subscription(&self) -> Option<&str> {
        match self {
            Self::Cluster { id, .. } => Some(&id.subscription),
            Self::Around(around) => around.subscription(),
            Self::Amend(amend) => Some(amend.subscription()),
            Self::Poll { subscription, .. } | Self::ActivityLog { subscription } => Some(subscription),
            Self::ResourceGraph | Self::Token | Self::Unknown => None,
        }
    }
}

fn poll(provider: &str, what: &str, subscription: &str, operation: &str) -> Option<Target> {
    let (kind, poll) = match (provider, what) {
        ("microsoft.containerservice", "operations") => (Kind::ManagedCluster, Poll::Operations),
        ("microsoft.containerservice", "operationresults") => (Kind::ManagedCluster, Poll::OperationResults),
        ("microsoft.containerinstance", "operationresults") => (Kind::ContainerGroup, Poll::OperationResults),
        _ => return None,
    };
    Some(Target::Poll { kind, poll, subscription: subscription.to_owned(), operation: operation.to_owned() })
}

fn verb_of(method: &Method, rest: &[&str]) -> Option<Verb> {
    match (method.as_str(), rest) {
        ("GET", []) => Some(Verb::Get),
        ("PUT", []) => Some(Verb::Put),
        ("DELETE", []) => Some(Verb::Act(Action::Delete)),
        ("POST", ["start"]) => Some(Verb::Act(Action::Start)),
        ("POST", ["stop"]) => Some(Verb::Act(Action::Stop)),
        _ => None,
    }
}

/// The value of a query parameter, decoded; names are compared without case. `+` stands for a space, as in a form.
pub(super) fn query_value(uri: &Uri, wanted: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(name).eq_ignore_ascii_case(wanted).then(|| decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digits = (ahead.next().and_then(hex_digit), ahead.next().and_then(hex_digit));
                if let (Some(high), Some(low)) = digits {
                    bytes.push(high * 16 + low);
                    rest = ahead;
                } else {
                    bytes.push(b'%');
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
