//! How much a caller may ask, and whose word about a caller's address counts.

use ipnet::IpNet;
use std::net::IpAddr;

use super::Reader;

/// The most of any limit: above it, an interval would be below the microsecond.
const MAX_PER_MINUTE: u32 = 1_000_000;

/// Which header says where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Limits, each a number of requests a minute.
#[derive(Clone, Debug)]
pub struct RateLimitConfig {
    /// Requests of one person or machine.
    pub user: u32,
    /// Requests from one address.
    pub address: u32,
    /// Logins from one address, and for one account.
    pub login: u32,
    /// Proxies whose word about the address before them counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub address_header: AddressHeader,
}

pub(super) fn read(reader: &mut Reader<'_>) -> RateLimitConfig {
    RateLimitConfig {
        user: reader.number("REQUESTS_PER_MINUTE", 1, MAX_PER_MINUTE, 600),
        address: reader.number("REQUESTS_PER_MINUTE_OF_ADDRESS", 1, MAX_PER_MINUTE, 6000),
        login: reader.number("LOGINS_PER_MINUTE", 1, MAX_PER_MINUTE, 10),
        trusted_proxies: trusted_proxies(reader),
        address_header: address_header(reader),
    }
}

fn trusted_proxies(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let text = reader.text("TRUSTED_PROXIES").unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let networks: Option<Vec<IpNet>> = parts.map(network).collect();
    networks.unwrap_or_else(|| {
        reader.bad(
            "TRUSTED_PROXIES",
            "must be networks or addresses with commas between them, such as 10.0.0.0/8,fd00::/8",
        );
        Vec::new()
    })
}

fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    Some(network.trunc())
}

fn address_header(reader: &mut Reader<'_>) -> AddressHeader {
    let text = reader.text("CLIENT_ADDRESS_HEADER");
    match text.map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("x-forwarded-for") => AddressHeader::XForwardedFor,
        Some("forwarded") => AddressHeader::Forwarded,
        Some(_) => {
            reader.bad(
                "CLIENT_ADDRESS_HEADER",
                "must be x-forwarded-for or forwarded",
            );
            AddressHeader::default()
        }
    }
}
