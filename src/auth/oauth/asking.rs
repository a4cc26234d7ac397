//! How a provider is asked: through the one door to the outside, within these limits.

use std::pin::Pin;
use std::time::Duration;

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::outbound::fetch::{FetchError, Fetcher, Limits};

/// What a provider may take of us. The keys and the words of the largest of them have a few KiB.
pub(super) const LIMITS: Limits = Limits {
    answer: Some(256 * 1024),
    patience: Duration::from_secs(10),
    at_once: 16,
};

impl<'c> AsyncHttpClient<'c> for Fetcher {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}
