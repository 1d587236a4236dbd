//! One route: a method, a path and a handler, kept together so that routes can be listed.

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{self, MethodRouter};
use std::convert::Infallible;
use tower::{Layer, Service};

use crate::app::App;
use crate::openapi::{Described, Operation};

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
    /// The handler's path in the code, which names the operation.
    pub name: &'static str,
    /// Says what the handler takes and gives.
    pub describe: fn(&mut Operation<'_>),
}

impl Route {
    fn new<H, T>(method: &'static str, path: &'static str, handler: MethodRouter<App>) -> Self
    where
        H: Described<T>,
    {
        Self {
            method,
            path,
            handler,
            streamed: false,
            name: std::any::type_name::<H>(),
            describe: H::describe,
        }
    }

    /// Puts a layer around the route alone.
    #[must_use]
    pub fn wrapped<L>(mut self, layer: L) -> Self
    where
        L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.handler = self.handler.layer(layer);
        self
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
                H: Described<T>,
                T: 'static,
            {
                Route::new::<H, T>($method, path, routing::$function(handler))
            }
        )*
    };
}

methods!(get "GET", post "POST", put "PUT", patch "PATCH", delete "DELETE",
    options "OPTIONS");
