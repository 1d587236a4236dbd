//! Where a request comes from. A header says so, and anybody can write one: what counts is read
//! from the end, where the nearest proxy wrote, for as long as who wrote it is trusted.

use axum::http::HeaderMap;
use axum::http::header::FORWARDED;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

use crate::config::{AddressHeader, RateLimitConfig};

/// Hops that are looked at; a longer chain ends there.
const MAX_HOPS: usize = 32;

/// The proxies whose word counts.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: AddressHeader,
}

impl TrustedProxies {
    /// Those of a configuration.
    #[must_use]
    pub fn new(config: &RateLimitConfig) -> Self {
        Self {
            networks: config.trusted_proxies.clone(),
            header: config.address_header,
        }
    }

    /// The client of a request from a peer: the last address that a trusted hop named and that is
    /// none of a trusted hop itself. A hop that names nothing readable is the last one.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        if !self.trusts(address) {
            return address;
        }
        for hop in self.hops(headers).into_iter().take(MAX_HOPS) {
            match hop {
                Some(named) => address = named.to_canonical(),
                None => return address,
            }
            if !self.trusts(address) {
                return address;
            }
        }
        address
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// What the hops say, the nearest first; none where a hop says nothing readable.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            AddressHeader::XForwardedFor => "x-forwarded-for",
            AddressHeader::Forwarded => FORWARDED.as_str(),
        };
        let mut hops = Vec::new();
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        for line in lines.into_iter().rev() {
            let Ok(text) = line.to_str() else {
                hops.push(None);
                break;
            };
            match self.header {
                AddressHeader::XForwardedFor => hops.extend(text.rsplit(',').map(node)),
                AddressHeader::Forwarded => hops.extend(forwarded(text)),
            }
            if hops.len() >= MAX_HOPS {
                break;
            }
        }
        hops
    }
}

/// The elements of a `Forwarded` line, the last first; one that cannot be read hides all before it.
fn forwarded(text: &str) -> Vec<Option<IpAddr>> {
    let mut elements = vec![None];
    let (mut quoted, mut start) = (false, 0);
    let mut parts = Vec::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => {
                parts.push((&text[start..at], c));
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        // Where the quotes are cannot be told, so neither where the last element begins.
        return elements;
    }
    parts.push((&text[start..], ','));
    for (part, end) in parts {
        if let Some((name, value)) = part.split_once('=')
            && name.trim().eq_ignore_ascii_case("for")
            && let Some(last) = elements.last_mut()
        {
            *last = node(value.trim().trim_matches('"'));
        }
        if end == ',' {
            elements.push(None);
        }
    }
    elements.pop();
    elements.reverse();
    elements
}

/// An address with or without a port, as either header has it.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
}

#[cfg(test)]
mod tests {
    use super::TrustedProxies;
    use crate::config::AddressHeader;
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use rstest::rstest;

    fn client(header: AddressHeader, peer: &str, lines: &[&str]) -> String {
        let name = match header {
            AddressHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            AddressHeader::Forwarded => HeaderName::from_static("forwarded"),
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            header,
        };
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[rstest]
    #[case::nobody_trusted("203.0.113.9", &["1.2.3.4"], "203.0.113.9")]
    #[case::one_hop("10.0.0.1", &["198.51.100.7"], "198.51.100.7")]
    #[case::forged_before_the_hop("10.0.0.1", &["1.2.3.4, 198.51.100.7"], "198.51.100.7")]
    #[case::two_hops("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.9.9.9"], "198.51.100.7")]
    #[case::a_line_each("10.0.0.1", &["1.2.3.4", "198.51.100.7", "10.9.9.9"], "198.51.100.7")]
    #[case::forged_as_a_trusted_one("10.0.0.1", &["10.1.1.1, 198.51.100.7"], "198.51.100.7")]
    #[case::nothing_said("10.0.0.1", &[], "10.0.0.1")]
    #[case::unreadable("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1")]
    #[case::all_trusted("10.0.0.1", &["10.2.2.2, 10.3.3.3"], "10.2.2.2")]
    #[case::with_a_port("10.0.0.1", &["198.51.100.7:5555"], "198.51.100.7")]
    #[case::version_6("fd00::1", &["2001:db8::7"], "2001:db8::7")]
    #[case::version_6_with_a_port("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7")]
    #[case::mapped("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7")]
    fn x_forwarded_for(#[case] peer: &str, #[case] lines: &[&str], #[case] expected: &str) {
        let found = client(AddressHeader::XForwardedFor, peer, lines);
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case("203.0.113.9", &["for=1.2.3.4"], "203.0.113.9")]
    #[case("10.0.0.1", &["for=198.51.100.7;proto=https;by=10.0.0.1"], "198.51.100.7")]
    #[case("10.0.0.1", &["for=1.2.3.4, For=\"198.51.100.7:47\""], "198.51.100.7")]
    #[case("10.0.0.1", &["for=\"[2001:db8::7]:443\""], "2001:db8::7")]
    #[case("10.0.0.1", &["for=1.2.3.4", "for=198.51.100.7, for=10.9.9.9"], "198.51.100.7")]
    #[case("10.0.0.1", &["for=\"a, for=1.2.3.4\", for=198.51.100.7"], "198.51.100.7")]
    #[case("10.0.0.1", &["for=\"1.2.3.4, for=198.51.100.7"], "10.0.0.1")]
    #[case("10.0.0.1", &["for=_hidden"], "10.0.0.1")]
    #[case("10.0.0.1", &["for=1.2.3.4, proto=https"], "10.0.0.1")]
    fn forwarded(#[case] peer: &str, #[case] lines: &[&str], #[case] expected: &str) {
        assert_eq!(client(AddressHeader::Forwarded, peer, lines), expected);
    }

    #[test]
    fn a_very_long_chain_ends() {
        let line = vec!["10.1.1.1"; 5000].join(", ");
        let found = client(AddressHeader::XForwardedFor, "10.0.0.1", &[&line]);
        assert_eq!(found, "10.1.1.1");
    }
}
