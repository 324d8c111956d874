//! Checks signatures of JSON Web Tokens with ring, the one crypto provider of this program. `jsonwebtoken` does the rest.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use signature::Verifier;

/// RS256 and nothing else: the one algorithm of Entra's tokens (source: Microsoft identity platform, "Access tokens", "Validate the
/// signature"). There is no signer, so nothing here can make a token.
static RS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::InvalidAlgorithm)),
    verifier_factory,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Tells `jsonwebtoken` to use ring. Has to come before the first token.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    // An error says that a provider is installed already: by a test, since nothing else in this program does it.
    INSTALLED.call_once(|| {
        let _ = RS256_ONLY.install_default();
    });
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Ok(Box::new(Rs256 { n: n.clone(), e: e.clone() }))
        }
        (_, DecodingKeyKind::RsaModulusExponent { .. } | DecodingKeyKind::SecretOrDer(_)) => {
            Err(Error::from(ErrorKind::InvalidAlgorithm))
        }
    }
}

struct Rs256 {
    n: Vec<u8>,
    e: Vec<u8>,
}

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        RsaPublicKeyComponents { n: &self.n, e: &self.e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
