//! The tower layer that authorizes every gRPC call, health and reflection included.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use rustls::pki_types::CertificateDer;
use tonic::Status;
use tonic::codegen::http::{Extensions, HeaderMap, Request, Response, header::AUTHORIZATION};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tower::{Layer, Service};

use crate::authorization::{Grant, ReadOnlyCalls};
use crate::certificate::certificate_grant;
use crate::scope::Scope;
use crate::token::Token;
use crate::token_file::TokenFile;

/// Authorizes calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthLayer(Arc<AuthPolicy>);

#[derive(Debug)]
enum AuthPolicy {
    /// Every call is allowed.
    Open,
    Required {
        calls: ReadOnlyCalls,
        /// The accepted tokens. `None` if only certificates are accepted.
        tokens: Option<TokenFile>,
    },
}

impl AuthLayer {
    /// Allows every call: for in-process channels, and for a socket on loopback.
    pub fn open() -> Self {
        Self(Arc::new(AuthPolicy::Open))
    }

    /// Requires a token, or a certificate that TLS has verified.
    pub(crate) fn required(calls: ReadOnlyCalls, tokens: Option<TokenFile>) -> Self {
        Self(Arc::new(AuthPolicy::Required { calls, tokens }))
    }

    fn authorize(
        &self,
        path: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Grant, Status> {
        let (calls, tokens) = match &*self.0 {
            AuthPolicy::Open => {
                return Ok(Grant {
                    scope: Scope::Admin,
                    name: "a user of this host".to_owned(),
                });
            }
            AuthPolicy::Required { calls, tokens } => (calls, tokens),
        };
        let grant = grant(tokens.as_ref(), headers, extensions)?;
        let needed = calls.required_scope(path);
        if grant.scope < needed {
            tracing::warn!(
                by = grant.name,
                call = path,
                "refused: the scope {needed} is required"
            );
            return Err(Status::permission_denied(format!(
                "{} has read-only access: this call requires the scope {needed}",
                grant.name
            )));
        }
        if needed == Scope::Admin {
            tracing::info!(by = grant.name, call = path, "asked");
        }
        Ok(grant)
    }
}

/// The caller's grant: from the token if there is one, else from the certificate.
fn grant(
    tokens: Option<&TokenFile>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Grant, Status> {
    if let Some(header) = headers.get(AUTHORIZATION) {
        let token = header.to_str().ok().and_then(bearer);
        let found = token.and_then(|token| tokens?.find(&token));
        return match found {
            Some(entry) => Ok(Grant {
                scope: entry.scope,
                name: entry.name,
            }),
            None => Err(Status::unauthenticated(
                "the master does not know this token",
            )),
        };
    }
    let certificates = extensions
        .get::<TlsConnectInfo<TcpConnectInfo>>()
        .and_then(TlsConnectInfo::peer_certs);
    let first = certificates.as_deref().and_then(|chain| chain.first());
    match first.map(CertificateDer::as_ref) {
        Some(certificate) => Ok(certificate_grant(certificate)),
        None => Err(Status::unauthenticated(
            "the master requires a token: put it into ROWMILL_TOKEN, or name its file with \
             --token-file (by hand: -H 'authorization: Bearer TOKEN')",
        )),
    }
}

fn bearer(header: &str) -> Option<Token> {
    let (scheme, token) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    token.trim().parse().ok()
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService {
            auth: self.clone(),
            inner,
        }
    }
}

/// A service behind the layer.
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    auth: AuthLayer,
    inner: S,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for AuthService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    ResponseBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let path = request.uri().path();
        match self
            .auth
            .authorize(path, request.headers(), request.extensions())
        {
            Ok(grant) => {
                request.extensions_mut().insert(grant);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bearer_scheme_is_parsed() {
        let token = Token::generate().unwrap();
        let secret = token.secret();
        assert!(bearer(&format!("Bearer {secret}")).is_some());
        assert!(bearer(&format!("bearer  {secret}")).is_some());
        for header in [
            "",
            "Bearer",
            "Bearer ",
            secret,
            &format!("Basic {secret}"),
            &format!("Bearer {secret}x"),
        ] {
            assert!(bearer(header).is_none(), "{header}");
        }
    }
}
