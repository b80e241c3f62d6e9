//! A sequence that counts: a B-tree whose branches know how many items are below each child.
//!
//! It inserts, removes and reads by position, and finds a position by a predicate, all in logarithmic time. It knows
//! nothing of how items are ordered: the sorted set on top keeps it in order and asks with its own comparison.

use super::memory::block;

/// One member of a sorted set: its score, and where its name is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Item {
    /// Never NaN.
    pub score: f64,
    /// Index of the member in the sorted set's map.
    pub index: u32,
}

/// Items in the order in which they were put.
#[derive(Debug)]
pub(super) struct RankTree {
    root: Node,
    len: usize,
    /// What all nodes have allocated.
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Item>),
    /// Never empty, except for an empty tree's root, which is a leaf.
    Branch(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    /// Items below.
    len: usize,
    /// A copy of the first item below, so that a search reads one node per level.
    first: Item,
    node: Node,
}

const LEAF_LEN: usize = 64;
const BRANCH_LEN: usize = 32;

impl Default for RankTree {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0, bytes: 0 }
    }
}

impl Clone for RankTree {
    /// Counts anew: a copy's nodes have no room to spare.
    fn clone(&self) -> Self {
        let root = self.root.clone();
        let bytes = root.allocated_bytes();
        Self { root, len: self.len, bytes }
    }
}

impl RankTree {
    /// Puts an item before the one that is at `rank` now, or at the end.
    pub(super) fn insert_at(&mut self, rank: usize, item: Item) {
        debug_assert!(rank <= self.len);
        if let Some(right) = self.root.insert_at(rank, item, &mut self.bytes) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            self.root = Node::Branch(vec![Child::new(left), Child::new(right)]);
            self.bytes += self.root.own_bytes();
        }
        self.len += 1;
    }

    /// Takes the item at `rank` out.
    pub(super) fn remove_at(&mut self, rank: usize) -> Item {
        debug_assert!(rank < self.len);
        let removed = self.root.remove_at(rank, &mut self.bytes);
        self.len -= 1;
        while let Node::Branch(children) = &mut self.root {
            if children.len() > 1 {
                break;
            }
            let only = children.pop().map_or_else(|| Node::Leaf(Vec::new()), |only| only.node);
            self.bytes -= std::mem::replace(&mut self.root, only).own_bytes();
        }
        removed
    }

    /// Renames the member of the item at `rank`.
    pub(super) fn set_index_at(&mut self, rank: usize, index: u32) {
        debug_assert!(rank < self.len);
        self.root.set_index_at(rank, index);
    }

    /// How many items `precedes` holds for; it must hold for a run from the front and for none after it.
    pub(super) fn partition_point(&self, precedes: impl Fn(Item) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(|item| precedes(*item)),
                Node::Branch(children) => {
                    let after = children.partition_point(|child| precedes(child.first));
                    let Some(chosen) = after.checked_sub(1) else { return rank };
                    rank += children[..chosen].iter().map(|child| child.len).sum::<usize>();
                    node = &children[chosen].node;
                }
            }
        }
    }

    /// The items of a range of ranks, from either end.
    pub(super) fn range(&self, start: usize, end: usize) -> Range<'_> {
        let end = end.min(self.len);
        Range { tree: self, start: start.min(end), end, front: &[], back: &[] }
    }

    /// Bytes allocated.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.bytes
    }

    /// The same as [`RankTree::allocated_bytes`], counted anew.
    pub(super) fn recount(&self) -> usize {
        self.root.allocated_bytes()
    }

    /// The leaf that holds `rank`, and where in it.
    fn leaf_at(&self, mut rank: usize) -> (&[Item], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return (items, rank),
                Node::Branch(children) => {
                    let (chosen, offset) = child_of(children, rank);
                    rank = offset;
                    node = &children[chosen].node;
                }
            }
        }
    }
}

/// Iterates over a range of a [`RankTree`]; a leaf is looked up once for all its items.
#[derive(Clone)]
pub(super) struct Range<'a> {
    tree: &'a RankTree,
    start: usize,
    end: usize,
    /// What is left of the leaf at `start`.
    front: &'a [Item],
    /// What is left of the leaf that ends at `end`.
    back: &'a [Item],
}

impl Iterator for Range<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.start >= self.end {
            return None;
        }
        if self.front.is_empty() {
            let (leaf, offset) = self.tree.leaf_at(self.start);
            self.front = &leaf[offset..];
        }
        let (first, rest) = self.front.split_first()?;
        self.front = rest;
        self.start += 1;
        Some(*first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.start, Some(self.end - self.start))
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Item> {
        if self.start >= self.end {
            return None;
        }
        if self.back.is_empty() {
            let (leaf, offset) = self.tree.leaf_at(self.end - 1);
            self.back = &leaf[..=offset];
        }
        let (last, rest) = self.back.split_last()?;
        self.back = rest;
        self.end -= 1;
        Some(*last)
    }
}

impl ExactSizeIterator for Range<'_> {}

impl Node {
    /// Gives back the right half if the node had to be split. `bytes` is what all nodes have allocated.
    fn insert_at(&mut self, rank: usize, item: Item, bytes: &mut usize) -> Option<Node> {
        match self {
            Node::Leaf(items) => put_in(items, LEAF_LEN, rank, item, bytes).map(Node::Leaf),
            Node::Branch(children) => {
                let (mut chosen, mut offset) = child_of(children, rank);
                // Between two children, the end of the left one is as good as the start of the right one, and at the
                // end of the tree there is no right one.
                if chosen == children.len() || (offset == 0 && chosen > 0) {
                    chosen -= 1;
                    offset = children[chosen].len;
                }
                let right = children[chosen].node.insert_at(offset, item, bytes);
                children[chosen].refresh();
                let right = right?;
                put_in(children, BRANCH_LEN, chosen + 1, Child::new(right), bytes).map(Node::Branch)
            }
        }
    }

    fn remove_at(&mut self, rank: usize, bytes: &mut usize) -> Item {
        match self {
            Node::Leaf(items) => items.remove(rank),
            Node::Branch(children) => {
                let (chosen, offset) = child_of(children, rank);
                let removed = children[chosen].node.remove_at(offset, bytes);
                if children[chosen].len == 1 {
                    *bytes -= children.remove(chosen).node.own_bytes();
                } else {
                    children[chosen].refresh();
                    merge_around(children, chosen, bytes);
                }
                removed
            }
        }
    }

    fn set_index_at(&mut self, rank: usize, index: u32) {
        match self {
            Node::Leaf(items) => items[rank].index = index,
            Node::Branch(children) => {
                let (chosen, offset) = child_of(children, rank);
                children[chosen].node.set_index_at(offset, index);
                children[chosen].refresh();
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Branch(children) => children.len(),
        }
    }

    fn is_sparse(&self) -> bool {
        match self {
            Node::Leaf(items) => items.len() < LEAF_LEN / 4,
            Node::Branch(children) => children.len() < BRANCH_LEN / 4,
        }
    }

    /// Bytes allocated for this node.
    fn own_bytes(&self) -> usize {
        match self {
            Node::Leaf(items) => vec_bytes(items),
            Node::Branch(children) => vec_bytes(children),
        }
    }

    /// The same with all nodes below.
    fn allocated_bytes(&self) -> usize {
        let below = match self {
            Node::Leaf(_) => 0,
            Node::Branch(children) => children.iter().map(|child| child.node.allocated_bytes()).sum(),
        };
        self.own_bytes() + below
    }
}

impl Child {
    fn new(node: Node) -> Self {
        let mut child = Self { len: 0, first: Item { score: 0.0, index: 0 }, node };
        child.refresh();
        child
    }

    /// Counts again after the node changed; it must not be empty.
    fn refresh(&mut self) {
        (self.len, self.first) = match &self.node {
            Node::Leaf(items) => (items.len(), items[0]),
            Node::Branch(children) => (children.iter().map(|child| child.len).sum(), children[0].first),
        };
    }
}

/// Which child holds `rank`, and the rank within it; past the end for a rank past the end.
fn child_of(children: &[Child], mut rank: usize) -> (usize, usize) {
    for (chosen, child) in children.iter().enumerate() {
        if rank < child.len {
            return (chosen, rank);
        }
        rank -= child.len;
    }
    (children.len(), rank)
}

fn vec_bytes<T>(elements: &Vec<T>) -> usize {
    block(elements.capacity() * size_of::<T>())
}

/// Puts an element into a node, and gives back the right half if the node had to be split.
fn put_in<T>(
    elements: &mut Vec<T>,
    limit: usize,
    at: usize,
    element: T,
    bytes: &mut usize,
) -> Option<Vec<T>> {
    let before = vec_bytes(elements);
    elements.insert(at, element);
    let right = split_off(elements, limit, at);
    *bytes = *bytes + vec_bytes(elements) + right.as_ref().map_or(0, vec_bytes) - before;
    right
}

/// Splits an overfull node: in the middle, but after an append only the new element goes over, so that a set filled
/// in ascending order has full nodes.
fn split_off<T>(elements: &mut Vec<T>, limit: usize, inserted: usize) -> Option<Vec<T>> {
    if elements.len() <= limit {
        return None;
    }
    let was_appended = inserted + 1 == elements.len();
    let middle = if was_appended { inserted } else { elements.len() / 2 };
    let right = elements.split_off(middle);
    elements.shrink_to_fit();
    Some(right)
}

/// Joins a node that became sparse with a neighbour if the two fit into one with room to spare.
fn merge_around(children: &mut Vec<Child>, chosen: usize, bytes: &mut usize) {
    if !children[chosen].node.is_sparse() || children.len() < 2 {
        return;
    }
    let left = chosen.saturating_sub(1).min(children.len() - 2);
    let room = match &children[left].node {
        Node::Leaf(_) => LEAF_LEN * 3 / 4,
        Node::Branch(_) => BRANCH_LEN * 3 / 4,
    };
    if children[left].node.width() + children[left + 1].node.width() > room {
        return;
    }
    let right = children.remove(left + 1);
    let before = children[left].node.own_bytes() + right.node.own_bytes();
    match (&mut children[left].node, right.node) {
        (Node::Leaf(items), Node::Leaf(more)) => items.extend(more),
        (Node::Branch(nodes), Node::Branch(more)) => nodes.extend(more),
        _ => unreachable!("siblings are of the same depth"),
    }
    *bytes = *bytes + children[left].node.own_bytes() - before;
    children[left].refresh();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    fn check_node(node: &Node, is_root: bool) -> (usize, usize, Option<Item>) {
        match node {
            Node::Leaf(items) => {
                assert!(items.len() <= LEAF_LEN && (is_root || !items.is_empty()));
                (1, items.len(), items.first().copied())
            }
            Node::Branch(children) => {
                assert!(children.len() <= BRANCH_LEN && children.len() > usize::from(is_root));
                let mut depths = Vec::new();
                for child in children {
                    let (depth, len, first) = check_node(&child.node, false);
                    assert_eq!((child.len, Some(child.first)), (len, first));
                    depths.push(depth);
                }
                assert!(depths.iter().all(|depth| *depth == depths[0]), "{depths:?}");
                (depths[0] + 1, children.iter().map(|child| child.len).sum(), Some(children[0].first))
            }
        }
    }

    fn check_against_vec(seed: u64, steps: usize, target: usize) {
        let mut random = SplitMix(seed);
        let mut tree = RankTree::default();
        let mut model: Vec<Item> = Vec::new();
        for step in 0..steps {
            let growing = (step / (target * 2)).is_multiple_of(2);
            if model.is_empty() || (random.below(4) != 0) == growing {
                let rank = match random.below(4) {
                    0 => model.len(),
                    1 => 0,
                    _ => random.below(model.len() + 1),
                };
                let item = Item { score: step as f64, index: step as u32 };
                tree.insert_at(rank, item);
                model.insert(rank, item);
            } else if random.below(10) == 0 {
                let rank = random.below(model.len());
                tree.set_index_at(rank, 1 << 20 | step as u32);
                model[rank].index = 1 << 20 | step as u32;
            } else {
                let rank = random.below(model.len());
                assert_eq!(tree.remove_at(rank), model.remove(rank), "seed {seed} step {step}");
            }
            assert_eq!(tree.len, model.len());
            let rank = random.below(model.len() + 2);
            assert_eq!(
                tree.range(rank, rank + 1).next(),
                model.get(rank).copied(),
                "seed {seed} step {step}"
            );
            if step % 64 == 0 {
                check_node(&tree.root, true);
                assert_eq!(tree.allocated_bytes(), tree.recount(), "seed {seed} step {step}");
                let copy = tree.clone();
                assert_eq!(copy.allocated_bytes(), copy.recount(), "seed {seed} step {step}");
                let start = random.below(model.len() + 1);
                let end = start + random.below(model.len() - start + 1);
                assert!(
                    tree.range(start, end).eq(model[start..end].iter().copied()),
                    "seed {seed} step {step}"
                );
                let backwards = model[start..end].iter().rev().copied();
                assert!(tree.range(start, end).rev().eq(backwards), "seed {seed} step {step}");
            }
        }
    }

    #[test]
    fn behaves_like_a_vec() {
        for seed in 0..12 {
            check_against_vec(seed, 20_000, [10, 100, 3_000][seed as usize % 3]);
        }
    }

    #[test]
    fn finds_a_partition_point() {
        let mut tree = RankTree::default();
        for i in 0..5_000_u32 {
            let score = f64::from(i / 3);
            tree.insert_at(tree.partition_point(|item| item.score <= score), Item { score, index: i });
        }
        for bound in 0..1_700 {
            let bound = f64::from(bound);
            let expected = ((bound * 3.0) as usize).min(5_000);
            assert_eq!(tree.partition_point(|item| item.score < bound), expected);
        }
    }

    #[test]
    fn both_ends_meet() {
        let mut tree = RankTree::default();
        for i in 0..1_000 {
            tree.insert_at(i, Item { score: 0.0, index: i as u32 });
        }
        let mut range = tree.range(0, 1_000);
        let mut seen = Vec::new();
        while let Some(item) = range.next() {
            seen.push(item.index);
            seen.extend(range.next_back().map(|item| item.index));
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1_000));
    }

    #[test]
    fn appending_fills_the_leaves() {
        let mut tree = RankTree::default();
        for i in 0..100_000 {
            tree.insert_at(i, Item { score: i as f64, index: i as u32 });
        }
        assert!(tree.allocated_bytes() < 100_000 * 20, "{}", tree.allocated_bytes());
    }
}
