//! Four hops with fixed keys, and packets built for them.

use arbitrary::Arbitrary;
use rohrpost_packet::{
    Command, Delay, Generation, HOPS, HopPublicKey, HopSecretKey, NodeNumber, Packet, PathHop,
    Route, SessionId, ShortGeneration, Suite, wrap,
};

use crate::rng;

/// Generation of the hop in `layer`.
#[must_use]
pub fn generation(layer: usize) -> Generation {
    Generation::new(1_000 + u32::try_from(layer).expect("a path has four layers"))
}

/// The keys of a whole path, first layer first.
#[must_use]
pub fn keys<S: Suite>() -> [HopSecretKey<S>; HOPS] {
    std::array::from_fn(|layer| {
        let purpose = u8::try_from(layer).expect("a path has four layers");
        HopSecretKey::generate(generation(layer), &mut rng(purpose))
    })
}

/// A route of any values that its type can hold.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct RouteChoice {
    command: CommandChoice,
    delay: u32,
    next: u32,
    next_generation: u16,
    session: [u8; 16],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum CommandChoice {
    Forward,
    Deliver,
    Reply,
    Loop,
}

impl RouteChoice {
    /// The route as the packet crate has it.
    #[must_use]
    pub const fn route(&self) -> Route {
        let command = match self.command {
            CommandChoice::Forward => Command::Forward,
            CommandChoice::Deliver => Command::Deliver,
            CommandChoice::Reply => Command::Reply,
            CommandChoice::Loop => Command::Loop,
        };
        Route {
            command,
            delay: Delay::from_micros(self.delay),
            next: NodeNumber::new(self.next),
            next_generation: ShortGeneration::new(self.next_generation),
            session: SessionId::new(self.session),
        }
    }
}

/// A packet for the hops from `first_layer` on; each follows its route.
#[must_use]
pub fn packet<S: Suite>(
    keys: &[HopSecretKey<S>; HOPS],
    first_layer: usize,
    routes: &[Route],
    body: &[u8],
) -> Packet<S> {
    let hop = |(key, route): (&HopSecretKey<S>, &Route)| (key.public().clone(), *route);
    let hops: Vec<(HopPublicKey<S>, Route)> =
        keys[first_layer..].iter().zip(&routes[first_layer..]).map(hop).collect();
    let hops: Vec<_> = hops.iter().map(|(key, route)| PathHop { key, route: *route }).collect();
    wrap(first_layer, &hops, body, &mut rng(20)).expect("four hops of valid keys, a fitting body")
}
