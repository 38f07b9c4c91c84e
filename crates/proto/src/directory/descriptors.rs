//! Descriptors at hand, by the hashes by which documents name them.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use crate::directory::consensus::document::Member;
use crate::directory::descriptor::{DescriptorHash, SignedDescriptor};

/// Descriptors that were verified.
///
/// Of each node there are those that documents at hand name, and [`UNNAMED`] others that came last,
/// which may be named next. A node that announces many keys pushes out its own alone.
#[derive(Clone, Default)]
pub struct Descriptors {
    /// By node, in the order in which they came. Of a node as many as there are documents at hand,
    /// and [`UNNAMED`], at most.
    held: BTreeMap<NodeNumber, Vec<(DescriptorHash, SignedDescriptor)>>,
}

impl Descriptors {
    /// Takes a descriptor that was verified; false if it is known.
    pub fn insert(
        &mut self,
        signed: SignedDescriptor,
        is_named: impl Fn(&DescriptorHash) -> bool,
    ) -> bool {
        let (node, hash) = (signed.descriptor().node, signed.hash());
        if self.contains(node, &hash) {
            return false;
        }
        let held = self.held.entry(node).or_default();
        held.push((hash, signed));
        keep(held, is_named);
        true
    }

    /// True if this descriptor of a node is at hand.
    #[must_use]
    pub fn contains(&self, node: NodeNumber, hash: &DescriptorHash) -> bool {
        self.find(node, hash).is_some()
    }

    /// Counts a descriptor that is there as the one of its node that came last.
    pub fn touch(&mut self, node: NodeNumber, hash: &DescriptorHash) {
        if let Some(held) = self.held.get_mut(&node)
            && let Some(at) = held.iter().position(|(known, _)| known == hash)
        {
            held[at..].rotate_left(1);
        }
    }

    /// Those of them that documents name.
    #[must_use]
    pub fn only_named(&self, is_named: impl Fn(&DescriptorHash) -> bool) -> Self {
        let named = |held: &Vec<(DescriptorHash, SignedDescriptor)>| {
            held.iter().filter(|(hash, _)| is_named(hash)).cloned().collect()
        };
        Self { held: self.held.iter().map(|(node, held)| (*node, named(held))).collect() }
    }

    /// The descriptor that a document names.
    #[must_use]
    pub fn named(&self, member: &Member) -> Option<&SignedDescriptor> {
        self.find(member.node, &member.key.descriptor)
    }

    /// All of them, by node.
    pub fn iter(&self) -> impl Iterator<Item = (DescriptorHash, &SignedDescriptor)> {
        self.held.values().flatten().map(|(hash, signed)| (*hash, signed))
    }

    /// Forgets what no document names any more.
    pub fn forget(&mut self, is_named: impl Fn(&DescriptorHash) -> bool) {
        self.held.values_mut().for_each(|held| keep(held, &is_named));
    }

    fn find(&self, node: NodeNumber, hash: &DescriptorHash) -> Option<&SignedDescriptor> {
        let held = self.held.get(&node)?;
        held.iter().find(|(known, _)| known == hash).map(|(_, signed)| signed)
    }
}

/// Keeps those that are named, and the last of the others.
fn keep(
    held: &mut Vec<(DescriptorHash, SignedDescriptor)>,
    is_named: impl Fn(&DescriptorHash) -> bool,
) {
    let unnamed = held.iter().filter(|(hash, _)| !is_named(hash)).count();
    let mut over = unnamed.saturating_sub(UNNAMED);
    held.retain(|(hash, _)| {
        let goes = over > 0 && !is_named(hash);
        over -= usize::from(goes);
        !goes
    });
}

/// Descriptors of a node that are kept though no document names them: the next may name one for which
/// was voted while a slot was open. In eight slots a node changes its key eleven times at most, three
/// times at once and once a slot, and a vote names the key before as well.
pub const UNNAMED: usize = 13;

#[cfg(test)]
mod tests {
    use rohrpost_packet::{Generation, SuiteId};

    use super::*;
    use crate::directory::descriptor::Descriptor;
    use crate::directory::signing::SigningKey;

    fn descriptor(generation: u32) -> SignedDescriptor {
        let descriptor = Descriptor {
            node: NodeNumber::new(7),
            generation: Generation::new(generation),
            suite: SuiteId::new(1),
            key: [0; 32].into(),
        };
        SignedDescriptor::sign(descriptor, &SigningKey::from_seed(&[7; 32]))
    }

    #[test]
    fn a_node_that_announces_many_keys_pushes_out_its_own_that_nobody_names() {
        let all: Vec<_> = (0..20).map(descriptor).collect();
        let named = |hash: &DescriptorHash| *hash == all[0].hash() || *hash == all[3].hash();
        let mut descriptors = Descriptors::default();
        for signed in &all {
            assert!(descriptors.insert(signed.clone(), named));
            assert!(!descriptors.insert(signed.clone(), named), "twice");
        }
        let held: Vec<_> = descriptors.iter().map(|(hash, _)| hash).collect();
        let expected = [0, 3].into_iter().chain(20 - UNNAMED..20).map(|at| all[at].hash());
        assert!(held.into_iter().eq(expected));
        assert_eq!(descriptors.only_named(named).iter().count(), 2);
        descriptors.forget(|_| false);
        assert_eq!(descriptors.iter().count(), UNNAMED);
    }
}
