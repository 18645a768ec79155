//! Which addresses of the internet anybody may reach, and which only who was granted private ones.
//!
//! An address that carries another one inside (IPv4 in IPv6, 6to4, NAT64) is judged by that one. What is not known to be
//! public is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Public,
    /// Somebody's own network, or this machine: allowed where the grant says `private = true`. With what it is.
    Private(&'static str),
    /// No server is there, whatever is granted.
    Nowhere(&'static str),
}

impl Range {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Range {
    match address.octets() {
        [0, ..] => Range::Nowhere("an unspecified address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Range::Private("a private network"),
        [100, 64..=127, ..] => Range::Private("a carrier's network"),
        [127, ..] => Range::Private("this machine"),
        [169, 254, ..] => Range::Private("a link-local address"),
        [198, 18..=19, ..] => Range::Private("a network for benchmarks"),
        [192, 0, 0, _] | [192, 88, 99, _] => Range::Nowhere("a range for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Range::Nowhere("a range for documentation"),
        [224..=239, ..] => Range::Nowhere("a multicast address"),
        [240..=255, ..] => Range::Nowhere("a reserved range"),
        _ => Range::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Range {
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Range::Nowhere("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Private("this machine"),
        // IPv4 in IPv6, and what translators make of it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inside(high, low),
        // 6to4.
        [0x2002, high, low, ..] => inside(high, low),
        [0xfc00..=0xfdff, ..] | [0x64, 0xff9b, 1, ..] => Range::Private("a private network"),
        [0xfe80..=0xfebf, ..] => Range::Private("a link-local address"),
        [0xfec0..=0xfeff, ..] => Range::Private("a site-local address"),
        [0xff00..=0xffff, ..] => Range::Nowhere("a multicast address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Range::Nowhere("a range for documentation"),
        // Teredo, benchmarks, ORCHID: tunnels and protocols, no servers.
        [0x2001, 0..=0x01ff, ..] => Range::Nowhere("a range for protocols"),
        [0x2000..=0x3fff, ..] => Range::Public,
        _ => Range::Nowhere("a reserved range"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Range {
        Range::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert_eq!(of(public), Range::Public, "{public}");
        }
    }

    #[test]
    fn everything_else_is_private_or_nowhere_however_it_is_wrapped() {
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "198.18.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ];
        for private in private {
            assert!(matches!(of(private), Range::Private(_)), "{private}");
        }
        let nowhere = [
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "100::1",
            "4000::1",
            "5f00::1",
        ];
        for nowhere in nowhere {
            assert!(matches!(of(nowhere), Range::Nowhere(_)), "{nowhere}");
        }
    }
}
