//! One route: a method, a path and a handler, kept together so that routes can be listed.

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use crate::app::App;

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method, in upper case.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// What answers.
    pub handler: MethodRouter<App>,
    /// Its body has limits of its own in time, so the deadline of requests does not apply.
    pub streamed: bool,
}

impl Route {
    fn new(method: &'static str, path: &'static str, handler: MethodRouter<App>) -> Self {
        Self {
            method,
            path,
            handler,
            streamed: false,
        }
    }

    /// Frees the route from the deadline of requests.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }
}

macro_rules! methods {
    ($($function:ident $method:literal),*) => {
        $(
            #[doc = concat!("A route for ", $method, ".")]
            pub fn $function<H, T>(path: &'static str, handler: H) -> Route
            where
                H: Handler<T, App>,
                T: 'static,
            {
                Route::new($method, path, routing::$function(handler))
            }
        )*
    };
}

methods!(get "GET", post "POST", put "PUT", patch "PATCH", delete "DELETE");
