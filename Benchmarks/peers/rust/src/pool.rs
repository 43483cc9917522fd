//! The state of the volatile peer: owner -> allocation, address -> owner, a cursor and the released addresses.

use serde::Serialize;
use std::collections::HashMap;
use std::net::Ipv4Addr;

pub enum Failure {
    Exhausted,
    NotAllocated,
    OutsidePool,
}

struct Allocation {
    address: u32,
    hostname: Option<String>,
}

#[derive(Serialize)]
pub struct Answer {
    ip: Ipv4Addr,
    vm_id: String,
    gateway: Ipv4Addr,
    network: String,
    hostname: Option<String>,
}

#[derive(Serialize)]
pub struct Stats {
    network: String,
    gateway: Ipv4Addr,
    total: u64,
    used: u64,
    available: u64,
    utilization_percent: f64,
}

pub struct Pool {
    network: String,
    first: u32,
    last: u32,
    gateway: Ipv4Addr,
    next: u32,
    released: Vec<u32>,
    by_owner: HashMap<String, Allocation>,
    by_address: HashMap<u32, String>,
}

impl Pool {
    /// Hosts of `network` after its first one, which is the gateway.
    pub fn new(network: &str) -> Option<Pool> {
        let (base, length) = network.split_once('/')?;
        let length: u32 = length.parse().ok().filter(|l| (8..=30).contains(l))?;
        let base = u32::from(base.parse::<Ipv4Addr>().ok()?);
        let last = base | (u32::MAX >> length);
        Some(Pool {
            network: network.to_string(),
            first: base + 2,
            last: last - 1,
            gateway: Ipv4Addr::from(base + 1),
            next: base + 2,
            released: Vec::new(),
            by_owner: HashMap::new(),
            by_address: HashMap::new(),
        })
    }

    /// The allocation of `owner`, made now (true) or before (false).
    pub fn allocate(&mut self, owner: String, hostname: Option<String>) -> Result<(Answer, bool), Failure> {
        if let Some(held) = self.by_owner.get(&owner) {
            let answer = self.answer(held.address, owner.clone(), held.hostname.clone());
            return Ok((answer, false));
        }
        let address = if self.next <= self.last {
            self.next += 1;
            self.next - 1
        } else {
            self.released.pop().ok_or(Failure::Exhausted)?
        };
        let answer = self.answer(address, owner.clone(), hostname.clone());
        self.by_address.insert(address, owner.clone());
        self.by_owner.insert(owner, Allocation { address, hostname });
        Ok((answer, true))
    }

    pub fn get(&self, owner: &str) -> Result<Answer, Failure> {
        let held = self.by_owner.get(owner).ok_or(Failure::NotAllocated)?;
        Ok(self.answer(held.address, owner.to_string(), held.hostname.clone()))
    }

    pub fn release(&mut self, owner: &str) -> Result<Answer, Failure> {
        let (owner, held) = self.by_owner.remove_entry(owner).ok_or(Failure::NotAllocated)?;
        self.by_address.remove(&held.address);
        self.released.push(held.address);
        Ok(self.answer(held.address, owner, held.hostname))
    }

    pub fn release_address(&mut self, address: u32) -> Result<Answer, Failure> {
        if address < self.first - 2 || address > self.last + 1 {
            return Err(Failure::OutsidePool);
        }
        let owner = self.by_address.get(&address).cloned().ok_or(Failure::NotAllocated)?;
        self.release(&owner)
    }

    pub fn stats(&self) -> Stats {
        let total = u64::from(self.last - self.first + 1);
        let used = self.by_owner.len() as u64;
        Stats {
            network: self.network.clone(),
            gateway: self.gateway,
            total,
            used,
            available: total - used,
            utilization_percent: used as f64 * 100.0 / total as f64,
        }
    }

    fn answer(&self, address: u32, vm_id: String, hostname: Option<String>) -> Answer {
        Answer { ip: Ipv4Addr::from(address), vm_id, gateway: self.gateway, network: self.network.clone(), hostname }
    }
}
