//! What has to be read to judge an item.

use crate::domain::{ClusterId, ResourceId, SubscriptionId};
use crate::posture::Question;

/// The api-version of data collection rules (source: azure-cli, `addonconfiguration.py`).
const COLLECTION_API: &str = "2022-06-01";
/// The name that the association of a cluster with its rule has.
const ASSOCIATION: &str = "ContainerInsightsExtension";

/// A read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// What `posture` asks too.
    Known(Question),
    /// A data collection rule.
    CollectionRule(ResourceId),
    /// By which data collection rule Container Insights of a cluster works.
    Association(ClusterId),
}

impl From<Question> for Reading {
    fn from(question: Question) -> Self {
        Self::Known(question)
    }
}

impl Reading {
    /// The path of the URL, part by part.
    pub fn segments(&self) -> Vec<String> {
        let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
        match self {
            Self::Known(question) => owned(question.segments()),
            Self::CollectionRule(id) => owned(id.segments()),
            Self::Association(id) => {
                let mut path: Vec<String> = owned(Question::Cluster(id.clone()).segments());
                let tail = ["providers", "Microsoft.Insights", "dataCollectionRuleAssociations", ASSOCIATION];
                path.extend(tail.map(str::to_owned));
                path
            }
        }
    }

    /// The api-version.
    pub fn api_version(&self) -> &'static str {
        match self {
            Self::Known(question) => question.api_version(),
            Self::CollectionRule(_) | Self::Association(_) => COLLECTION_API,
        }
    }

    /// The subscription whose quota it takes from.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::Known(question) => question.subscription(),
            Self::CollectionRule(id) => Some(id.subscription()),
            Self::Association(id) => Some(id.subscription()),
        }
    }
}
