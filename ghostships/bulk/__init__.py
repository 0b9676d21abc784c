"""Big data made small early: deliveries -> parts by day -> days -> the traffic that the analysis thinks on; always on the disk."""
