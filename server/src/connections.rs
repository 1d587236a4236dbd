//! HTTP/1.1 connections: how many there may be, how long a client may take to say what it wants, and
//! how they end.
//!
//! `axum::serve` has no such bounds: a client that sends half a header holds its connection for ever.

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::config::ConnectionConfig;

/// How long to wait where the system cannot give a connection, most often for want of file
/// descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers connections until it is told to stop; then idle ones are closed, requests under way are
/// answered, and it returns when the last one is done. Handlers find the peer's address as
/// [`ConnectInfo<SocketAddr>`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionConfig,
    stop: CancellationToken,
) {
    let free = Arc::new(Semaphore::new(limits.most));
    let open = TaskTracker::new();
    loop {
        // Beyond the bound clients wait in the system's queue, where they cost next to nothing.
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        let (permit, (stream, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => match accepted {
                Some((permit, Ok(connection))) => (permit, connection),
                Some((_, Err(error))) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                None => break,
            },
        };
        let (router, stop) = (router.clone(), stop.clone());
        open.spawn(async move {
            answer(stream, peer, router, limits.headers, stop).await;
            drop(permit);
        });
    }
    open.close();
    open.wait().await;
}

async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    headers: Duration,
    stop: CancellationToken,
) {
    // Answers are written whole; waiting for more of them would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not set");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(headers)
            .serve_connection(TokioIo::new(stream), service)
    );
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke off");
    }
}
