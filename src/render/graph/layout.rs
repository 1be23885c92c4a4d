//! Where the boxes of a graph go: in layers from top to bottom, each below everything that it comes after. A line that
//! passes a layer has a narrow place of its own in it, so that it does not run through a box.

use super::Graph;

/// Between two boxes of a layer.
const GAP_X: i64 = 28;

/// Between two layers.
const GAP_Y: i64 = 40;

/// Width of the place of a line that passes a layer.
const PASSAGE: i64 = 18;

/// How often neighbours are put below each other.
const SWEEPS: usize = 4;

/// A box, or the place of a line that passes; in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

/// A drawing without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: i64,
    pub(super) height: i64,
    /// One for each box.
    pub(super) places: Vec<Place>,
    /// For each line the places that it goes through: its first box, passages, its last box.
    pub(super) lines: Vec<Vec<Place>>,
}

/// A thing in a layer, and what is directly above it.
struct Slot {
    layer: usize,
    width: i64,
    height: i64,
    above: Vec<usize>,
}

/// How wide each box may be, so that its layer is not wider than this.
pub(super) fn room(graph: &Graph, wide: i64) -> Vec<i64> {
    let mut layers: Vec<usize> = Vec::new();
    for needs in &graph.needs {
        let layer = needs.iter().filter_map(|first| layers.get(*first)).max().map_or(0, |layer| layer + 1);
        layers.push(layer);
    }
    let beside = |layer: usize| layers.iter().filter(|other| **other == layer).count();
    let share = |layer: &usize| (wide + GAP_X) / i64::try_from(beside(*layer)).unwrap_or(1).max(1) - GAP_X;
    layers.iter().map(share).collect()
}

/// Lays out boxes of these sizes.
pub(super) fn layout(graph: &Graph, sizes: &[(i64, i64)]) -> Layout {
    let mut slots: Vec<Slot> = Vec::new();
    for (node, (width, height)) in sizes.iter().enumerate() {
        let above = graph.needs.get(node).into_iter().flatten().filter_map(|first| slots.get(*first));
        let layer = above.map(|slot| slot.layer + 1).max().unwrap_or(0);
        slots.push(Slot { layer, width: *width, height: *height, above: Vec::new() });
    }
    let mut routes: Vec<Vec<usize>> = Vec::new();
    for (node, needs) in graph.needs.iter().enumerate().take(sizes.len()) {
        for first in needs {
            routes.push(route(&mut slots, *first, node));
        }
    }
    let layers = ordered(&slots);
    let places = placed(&slots, &layers);
    let width = places.iter().map(|place| place.x + place.width).max().unwrap_or(0);
    let height = places.iter().map(|place| place.y + place.height).max().unwrap_or(0);
    let at = |slot: &usize| places.get(*slot).copied().unwrap_or_default();
    let lines = routes.iter().map(|route| route.iter().map(at).collect()).collect();
    Layout { width, height, places: places.iter().copied().take(sizes.len()).collect(), lines }
}

/// The slots that a line goes through; passages are made.
fn route(slots: &mut Vec<Slot>, first: usize, last: usize) -> Vec<usize> {
    let layer = |slots: &[Slot], slot: usize| slots.get(slot).map_or(0, |slot| slot.layer);
    let (begin, end) = (layer(slots, first), layer(slots, last));
    let mut route = vec![first];
    for layer in begin + 1..end {
        let above = route.last().copied().into_iter().collect();
        slots.push(Slot { layer, width: PASSAGE, height: 0, above });
        route.push(slots.len() - 1);
    }
    if let (Some(slot), Some(above)) = (slots.get_mut(last), route.last()) {
        slot.above.push(*above);
    }
    route.push(last);
    route
}

/// The slots of each layer from left to right: each near the middle of what it is connected to.
fn ordered(slots: &[Slot]) -> Vec<Vec<usize>> {
    let count = slots.iter().map(|slot| slot.layer + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (number, slot) in slots.iter().enumerate() {
        if let Some(layer) = layers.get_mut(slot.layer) {
            layer.push(number);
        }
    }
    let below = |slot: usize| {
        (0..slots.len()).filter(move |other| slots.get(*other).is_some_and(|it| it.above.contains(&slot)))
    };
    for sweep in 0..SWEEPS {
        let mut position = vec![0usize; slots.len()];
        for layer in &layers {
            for (place, slot) in layer.iter().enumerate() {
                if let Some(position) = position.get_mut(*slot) {
                    *position = place;
                }
            }
        }
        for layer in &mut layers {
            layer.sort_by_key(|slot| {
                let beside: Vec<usize> = if sweep % 2 == 0 {
                    slots.get(*slot).map(|slot| slot.above.clone()).unwrap_or_default()
                } else {
                    below(*slot).collect()
                };
                let own = position.get(*slot).copied().unwrap_or(0);
                let sum: usize = beside.iter().filter_map(|slot| position.get(*slot)).sum();
                // The middle, in hundredths, so that it can be compared without fractions.
                if beside.is_empty() { own * 100 } else { sum * 100 / beside.len() }
            });
        }
    }
    layers
}

/// Layers below each other, each in the middle of the widest.
fn placed(slots: &[Slot], layers: &[Vec<usize>]) -> Vec<Place> {
    let width = |layer: &[usize]| {
        let boxes: i64 = layer.iter().filter_map(|slot| slots.get(*slot)).map(|slot| slot.width).sum();
        boxes + GAP_X * i64::try_from(layer.len().saturating_sub(1)).unwrap_or(0)
    };
    let widest = layers.iter().map(|layer| width(layer)).max().unwrap_or(0);
    let mut places = vec![Place::default(); slots.len()];
    let mut y = 0;
    for layer in layers {
        let height = layer.iter().filter_map(|slot| slots.get(*slot)).map(|slot| slot.height).max().unwrap_or(0);
        let mut x = (widest - width(layer)) / 2;
        for slot in layer {
            if let (Some(place), Some(slot)) = (places.get_mut(*slot), slots.get(*slot)) {
                // A line passes the whole layer; boxes stand on its upper edge.
                let height = if slot.height == 0 { height } else { slot.height };
                *place = Place { x, y, width: slot.width, height };
                x += slot.width + GAP_X;
            }
        }
        y += height + GAP_Y;
    }
    places
}
