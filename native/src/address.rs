//! IP addresses as text, with the zones of link-local ones.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// More network interfaces than a machine has.
const MAX_ZONES: usize = 4096;

/// Names of zones, such as `eth0` in `fe80::1%eth0`.  The state machine only compares
/// addresses, so a zone's place in this list serves as its number.
#[derive(Default)]
pub struct Zones(Vec<String>);

impl Zones {
    /// The socket address for a host in text and a port.
    pub fn parse(&mut self, host: &str, port: i64) -> PyResult<SocketAddr> {
        let port = u16::try_from(port)
            .map_err(|_| PyValueError::new_err(format!("{port} is not a port")))?;
        let invalid = || PyValueError::new_err(format!("{host:?} is not an IP address"));
        match host.split_once('%') {
            None => Ok(SocketAddr::new(host.parse::<IpAddr>().map_err(|_| invalid())?, port)),
            Some((ip, zone)) => {
                let ip = ip.parse::<Ipv6Addr>().map_err(|_| invalid())?;
                let number = self.number(zone).ok_or_else(invalid)?;
                Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, number)))
            }
        }
    }

    /// The host of a socket address in text.
    pub fn host(&self, address: &SocketAddr) -> String {
        if let SocketAddr::V6(six) = address
            && let Some(zone) = (six.scope_id() as usize).checked_sub(1).and_then(|n| self.0.get(n))
        {
            return format!("{}%{zone}", six.ip());
        }
        address.ip().to_string()
    }

    fn number(&mut self, zone: &str) -> Option<u32> {
        if zone.is_empty() {
            return None;
        }
        let place = self.0.iter().position(|known| known == zone);
        let place = place.or_else(|| {
            (self.0.len() < MAX_ZONES).then(|| {
                self.0.push(zone.to_owned());
                self.0.len() - 1
            })
        })?;
        u32::try_from(place + 1).ok()
    }
}
