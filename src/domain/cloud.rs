//! The clouds that Azure is.

/// An Azure cloud (source: `azure-mgmt-core` 1.6.0, `get_arm_endpoints`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Azure, the public one.
    Public,
    /// Azure US Government.
    UsGov,
    /// Azure operated by 21Vianet in China.
    China,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGov, Self::China];

    /// The word for it in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::UsGov => "usgov",
            Self::China => "china",
        }
    }

    /// Reads the word for it; `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.as_str() == text)
    }

    /// Where its portal is (source: Azure docs, "Azure Government developer guide" and "Azure China developer guide").
    pub fn portal_origin(self) -> &'static str {
        match self {
            Self::Public => "https://portal.azure.com",
            Self::UsGov => "https://portal.azure.us",
            Self::China => "https://portal.azure.cn",
        }
    }
}
