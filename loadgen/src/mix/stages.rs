//! The work of a mix by stage, and its packets, as its inspection page tells them.

use serde_json::Value;

/// CPU time of the workers by stage, in nanoseconds since the mix began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stages {
    pub(super) packets: u64,
    pub(super) unwrap: u64,
    pub(super) replay: u64,
    pub(super) delay: u64,
}

impl Stages {
    /// Reads the page; none of a build that does not tell stages.
    pub(super) fn parse(inspection: &Value) -> Option<Self> {
        let stages = &inspection["stages"];
        let field = |name: &str| stages[name].as_u64();
        Some(Self {
            packets: field("packets")?,
            unwrap: field("unwrap_ns")?,
            replay: field("replay_ns")?,
            delay: field("delay_ns")?,
        })
    }

    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            unwrap: self.unwrap.saturating_sub(before.unwrap),
            replay: self.replay.saturating_sub(before.replay),
            delay: self.delay.saturating_sub(before.delay),
        }
    }
}

/// Packets over all links of one direction (`from` or `to`) of an inspection page.
pub(super) fn packets(inspection: &Value, direction: &str) -> Option<u64> {
    Some(inspection[direction].as_object()?.values().filter_map(Value::as_u64).sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stages_are_read_where_the_mix_tells_them() {
        let page = json!({
            "from": {"a": 3, "b": 4},
            "stages": {"packets": 9, "unwrap_ns": 50, "replay_ns": 2, "delay_ns": 5},
        });
        let stages = Stages::parse(&page).unwrap();
        assert_eq!(stages.since(Stages { packets: 4, unwrap: 20, ..stages }).unwrap, 30);
        assert_eq!(packets(&page, "from"), Some(7));
        assert_eq!(packets(&page, "to"), None);
        assert_eq!(Stages::parse(&json!({})), None);
    }
}
