//! Native files behind the storage port.
