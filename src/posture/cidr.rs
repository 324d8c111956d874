//! Address ranges, as network rules and the API server's list write them.

use std::net::{IpAddr, Ipv4Addr};

/// IPv4 ranges this wide or wider count as the internet: a sixteenth of it and more. `0.0.0.0/1` twice is no better than `0.0.0.0/0`.
const WIDE_V4_BITS: u8 = 4;
/// The same for IPv6, whose public part is `2000::/3`.
const WIDE_V6_BITS: u8 = 7;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    is_v6: bool,
    /// The address, from the highest bit on; an IPv4 address takes the upper 32 bits.
    bits: u128,
    length: u8,
}

impl Cidr {
    /// All of IPv4.
    pub(super) const V4: Self = Self { is_v6: false, bits: 0, length: 0 };
    /// All of IPv6.
    pub(super) const V6: Self = Self { is_v6: true, bits: 0, length: 0 };

    /// Reads `10.0.0.0/8`, `::/0` or one address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let (is_v6, bits, most) = match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (true, v6.to_bits(), 128),
        };
        let length = length.unwrap_or(most);
        (length <= most).then(|| Self { is_v6, bits: bits & mask(length), length })
    }

    /// Whether all of the other is in it.
    pub(super) fn contains(self, other: Self) -> bool {
        self.is_v6 == other.is_v6
            && self.length <= other.length
            && other.bits & mask(self.length) == self.bits
    }

    /// Whether so much of the internet is in it that it protects from nobody.
    pub(super) fn is_internet(self) -> bool {
        self.length <= if self.is_v6 { WIDE_V6_BITS } else { WIDE_V4_BITS }
    }
}

/// An IPv4 range as it is written once and for all (`203.0.113.9/24` is `203.0.113.0/24`), and whether it is most of the internet; `None`
/// if the text is no such range.
pub(crate) fn v4_range(text: &str) -> Option<(String, bool)> {
    let range = Cidr::parse(text).filter(|range| !range.is_v6)?;
    let address = Ipv4Addr::from_bits(u32::try_from(range.bits >> 96).ok()?);
    Some((format!("{address}/{}", range.length), range.is_internet()))
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn a_range_contains_what_is_in_it_and_no_other_family() {
        assert!(cidr("0.0.0.0/0").contains(cidr("203.0.113.7")));
        assert!(cidr("10.0.0.0/8").contains(cidr("10.9.0.0/16")));
        assert!(!cidr("10.0.0.0/8").contains(cidr("11.0.0.0/16")));
        assert!(!cidr("10.9.0.0/16").contains(cidr("10.0.0.0/8")));
        assert!(!cidr("0.0.0.0/0").contains(cidr("::/0")));
        assert!(cidr("::/0").contains(cidr("2001:db8::/32")));
        assert_eq!(cidr("10.1.2.3/8"), cidr("10.0.0.0/8"));
    }

    #[test]
    fn half_the_internet_is_the_internet_and_a_companys_range_is_not() {
        for open in ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "192.0.0.0/4", "::/0", "2000::/3"] {
            assert!(cidr(open).is_internet(), "{open}");
        }
        for narrow in ["10.0.0.0/8", "203.0.113.0/24", "2001:db8::/32", "0.0.0.0/32"] {
            assert!(!cidr(narrow).is_internet(), "{narrow}");
        }
    }

    #[test]
    fn what_is_no_range_is_not_read() {
        for odd in ["", "*", "Internet", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10.0.0/8"] {
            assert_eq!(Cidr::parse(odd), None, "{odd}");
        }
    }
}
