//! What somebody else wrote, word for word, as evidence: bounded, and without what would let its reader in anywhere.

use std::fmt;
use std::sync::Arc;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

/// Most that is kept of one text: 128 KiB. ARM's body of a cluster with a hundred node pools has some 100 KiB, an event with 200 groups
/// some 16 KiB.
pub const VERBATIM_BYTES_MAX: usize = 128 * 1_024;
/// What takes the place of a credential.
const STRUCK: &[u8] = b"***";
/// Shortest run that is taken for a token's part: no word that begins like one is that long.
const TOKEN_BYTES_MIN: usize = 16;

/// A text as it came. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Verbatim {
    bytes: Arc<[u8]>,
    whole: Option<Whole>,
    struck: u32,
}

/// A text that was too long to be kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Whole {
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Verbatim {
    /// Keeps a text. Passwords in URLs (an AKS cluster's proxy may have one), signatures of shared access and tokens are replaced by
    /// `***`; what is longer than [`VERBATIM_BYTES_MAX`] is cut.
    pub fn of(text: &[u8]) -> Self {
        let whole = (text.len() > VERBATIM_BYTES_MAX)
            .then(|| Whole { sha256: sha256(text), bytes: u64::try_from(text.len()).unwrap_or(u64::MAX) });
        let kept = text.get(..VERBATIM_BYTES_MAX).unwrap_or(text);
        let (bytes, struck) = strike(kept);
        Self { bytes: bytes.into(), whole, struck }
    }

    /// What is kept of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole of it, if only its beginning is kept.
    pub fn whole(&self) -> Option<&Whole> {
        self.whole.as_ref()
    }

    /// How many credentials were struck out.
    pub fn struck(&self) -> u32 {
        self.struck
    }

    /// The SHA-256 of what is kept, in lower-case hex.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }
}

impl fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verbatim({} bytes)", self.bytes.len())
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    super::text::hex(&Sha256::digest(bytes))
}

/// The text without credentials, and how many there were.
fn strike(text: &[u8]) -> (Vec<u8>, u32) {
    let mut out = Vec::with_capacity(text.len());
    let mut struck = 0;
    let mut starts = Starts::of(text);
    let mut done = 0;
    while let Some(start) = starts.from(done) {
        let from = text.get(start..).unwrap_or_default();
        let (kept, secret) = match from.first() {
            Some(b':') => user_info(from),
            Some(b'e') => token(from),
            Some(_) | None => signature(from),
        };
        out.extend_from_slice(text.get(done..start + kept).unwrap_or_default());
        if secret > 0 {
            out.extend_from_slice(STRUCK);
            struck += 1;
        }
        done = start + kept + secret;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    (out, struck)
}

/// What credentials begin with.
const STARTS: [&[u8]; 6] = [b"://", br":\/\/", b"?sig=", b"&sig=", b"\\u0026sig=", b"eyJ"];

/// Where a text has the next of each of [`STARTS`]: each is sought once through the whole text, however many of the others there are.
struct Starts<'t> {
    text: &'t [u8],
    next: [Option<usize>; STARTS.len()],
}

impl<'t> Starts<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self { text, next: STARTS.map(|start| memmem::find(text, start)) }
    }

    /// The first of them at this place or behind it.
    fn from(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        for (start, next) in STARTS.iter().zip(&mut self.next) {
            if next.is_some_and(|next| next < at) {
                *next = memmem::find(rest, start).map(|found| at + found);
            }
        }
        self.next.into_iter().flatten().min()
    }
}

/// `://user:password@`, also where JSON escapes the slashes: how much before the secret stays, and how long that is. Where there is none:
/// how much stays before the next credential can begin.
fn user_info(text: &[u8]) -> (usize, usize) {
    user_info_of(text).unwrap_or((1, 0))
}

fn user_info_of(text: &[u8]) -> Option<(usize, usize)> {
    let scheme = [b"://".as_slice(), br":\/\/"].into_iter().find(|scheme| text.starts_with(scheme))?;
    let info = text.get(scheme.len()..)?;
    let end = info.iter().position(|byte| b"@/\\?#\" \t\r\n".contains(byte))?;
    let is_secret = info.get(end) == Some(&b'@') && info.get(..end)?.contains(&b':');
    is_secret.then_some((scheme.len(), end))
}

/// `?sig=...` or `&sig=...` (JSON may write `&` as an escape), of a text that begins with either.
fn signature(text: &[u8]) -> (usize, usize) {
    const NAME: &[u8] = b"sig=";
    let start = memmem::find(text, NAME).map_or(1, |name| name + NAME.len());
    let is_secret = |byte: &&u8| byte.is_ascii_alphanumeric() || b"%+/=-_".contains(byte);
    let secret = text.get(start..).unwrap_or_default().iter().take_while(is_secret).count();
    (start, secret)
}

/// A JSON Web Token: its first two parts begin with `{"` in base64. Within a part that belongs to none, none begins.
fn token(text: &[u8]) -> (usize, usize) {
    let part = |text: &[u8]| {
        let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        text.iter().take_while(is_base64).count()
    };
    let head = part(text);
    let after = text.get(head..).unwrap_or_default();
    let Some(body) =
        after.strip_prefix(b".").filter(|body| head >= TOKEN_BYTES_MIN && body.starts_with(b"eyJ"))
    else {
        return (head, 0);
    };
    let signed = head + 1 + part(body);
    let signature = text.get(signed..).and_then(|rest| rest.strip_prefix(b"."));
    (0, signed + signature.map_or(0, |signature| 1 + part(signature)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(text: &str) -> (String, u32) {
        let verbatim = Verbatim::of(text.as_bytes());
        (String::from_utf8(verbatim.bytes().to_vec()).unwrap(), verbatim.struck())
    }

    #[test]
    fn a_text_is_kept_byte_for_byte() {
        let text = "{\"id\": \"/subscriptions/x\",\n\t\"mail\":\"a:b@contoso.com\", \"url\": \"https://x.io/a@b:c\", \"sig\": 1}";
        assert_eq!(kept(text), (text.to_owned(), 0));
        assert_eq!(Verbatim::of(b"abc").sha256(), sha256(b"abc"));
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_lets_somebody_in_is_struck_out() {
        let proxy = r#"{"httpProxy":"http://ada:hunter2@proxy:3128/","https":"http:\/\/ada:hunter2@proxy"}"#;
        let (without, struck) = kept(proxy);
        assert_eq!(without, r#"{"httpProxy":"http://***@proxy:3128/","https":"http:\/\/***@proxy"}"#);
        assert_eq!(struck, 2);
        let shared = "\"https://a.blob/c?sv=1&sig=a%2Bb%3D&se=2\" \"?sig=abc\" \"\\u0026sig=abc\"";
        let (without, struck) = kept(shared);
        assert_eq!(
            (struck, without.contains("abc"), without.contains("a%2Bb")),
            (3, false, false),
            "{without}"
        );
        assert!(without.contains("&sig=***&se=2"), "{without}");
        let token = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL20ifQ.c2lnbmF0dXJl, eyJ eyJshort.eyJ";
        assert_eq!(kept(token), ("Bearer ***, eyJ eyJshort.eyJ".to_owned(), 1));
    }

    #[test]
    fn a_text_of_nothing_but_beginnings_is_gone_through_once() {
        for beginning in STARTS {
            let text = beginning.repeat(VERBATIM_BYTES_MAX / beginning.len());
            assert_eq!(Verbatim::of(&text).struck(), 0);
        }
        // What is read to its end is passed over to its end, so that nothing is read again from the next beginning in it.
        let run = b"eyJ".repeat(100);
        assert_eq!(token(&run), (run.len(), 0));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_its_whole_has_its_digest() {
        let long = vec![b'x'; VERBATIM_BYTES_MAX + 1];
        let cut = Verbatim::of(&long);
        assert_eq!(cut.bytes().len(), VERBATIM_BYTES_MAX);
        let whole = Whole { sha256: sha256(&long), bytes: u64::try_from(long.len()).unwrap() };
        assert_eq!(cut.whole(), Some(&whole));
        assert_eq!(Verbatim::of(&long[1..]).whole(), None);
    }

    proptest! {
        #[test]
        fn a_secret_is_struck_out_wherever_it_stands(before in r"[ey:?&\\ .a]{0,12}", after in r"[ey:?&\\ ]{0,12}") {
            let (scheme, sig, token) = ("http://u:hunter2@h", "&sig=hunter2", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.hunter2");
            for secret in [scheme, sig, token] {
                let (kept, struck) = kept(&format!("{before}{secret} {after}"));
                prop_assert_eq!((struck, kept.contains("hunter2")), (1, false), "{}", kept);
                prop_assert!(kept.starts_with(&before) && kept.ends_with(&after), "{}", kept);
            }
        }

        #[test]
        fn no_text_makes_it_panic_and_nothing_is_left_to_strike(text in r#"[ -~]{0,40}(://|eyJhbGciOiJSUzI1NiJ9\.eyJ|[?&]sig=)[ -~]{0,40}"#) {
            let once = Verbatim::of(text.as_bytes());
            prop_assert!(once.bytes().len() <= text.len() + 3 * text.len());
            if once.struck() == 0 {
                prop_assert_eq!(once.bytes(), text.as_bytes());
            }
            let password = format!("{text}http://u:hunter2@h");
            let kept = Verbatim::of(password.as_bytes());
            let kept = String::from_utf8_lossy(kept.bytes()).into_owned();
            prop_assert!(!kept.ends_with("u:hunter2@h"), "{}", kept);
        }
    }
}
