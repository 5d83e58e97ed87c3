//! The names of enum values for people: on screens, in tables and in JSON.

use crate::v1::{ColumnType, Order, Uniqueness};

/// The name of a column type.
pub fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Unspecified => "unknown",
        ColumnType::Empty => "empty",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Datetime => "datetime",
        ColumnType::Time => "time",
        ColumnType::Uuid => "uuid",
        ColumnType::Email => "email",
        ColumnType::Url => "url",
        ColumnType::Text => "text",
    }
}

/// The column type with this name.
pub fn type_named(name: &str) -> Option<ColumnType> {
    all(ColumnType::try_from).find(|&kind| type_name(kind) == name)
}

/// The name of an order. `None` if it is not known.
pub fn order_name(order: Order) -> Option<&'static str> {
    match order {
        Order::Unspecified => None,
        Order::None => Some("none"),
        Order::Ascending => Some("ascending"),
        Order::Descending => Some("descending"),
        Order::StrictlyAscending => Some("strictly ascending"),
        Order::StrictlyDescending => Some("strictly descending"),
        Order::Constant => Some("constant"),
    }
}

/// The order with this name.
pub fn order_named(name: &str) -> Option<Order> {
    all(Order::try_from).find(|&order| order_name(order) == Some(name))
}

/// The name of a uniqueness. `None` if it is not known.
pub fn uniqueness_name(unique: Uniqueness) -> Option<&'static str> {
    match unique {
        Uniqueness::Unspecified => None,
        Uniqueness::No => Some("no"),
        Uniqueness::Yes => Some("yes"),
        Uniqueness::Likely => Some("likely"),
    }
}

/// The uniqueness with this name.
pub fn uniqueness_named(name: &str) -> Option<Uniqueness> {
    all(Uniqueness::try_from).find(|&unique| uniqueness_name(unique) == Some(name))
}

/// Every value of an enum whose numbers have no gaps.
fn all<T, E>(from: impl Fn(i32) -> Result<T, E>) -> impl Iterator<Item = T> {
    (0..).map_while(move |number| from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for kind in all(ColumnType::try_from) {
            assert_eq!(type_named(type_name(kind)), Some(kind));
        }
        for order in all(Order::try_from).skip(1) {
            assert_eq!(order_name(order).and_then(order_named), Some(order));
        }
        for unique in all(Uniqueness::try_from).skip(1) {
            let back = uniqueness_name(unique).and_then(uniqueness_named);
            assert_eq!(back, Some(unique));
        }
        assert_eq!(type_named("colour"), None);
    }
}
