#include "base/test.h"

#include "manager/datacenter/data_center_status.h"

TEST(without_storage_it_is_uninitialized_whatever_its_hosts_do)
{
    DataCenterFacts facts = {.hosts_up = 3, .has_manager = true};
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_UNINITIALIZED);
}

TEST(a_master_that_nobody_wants_active_means_maintenance)
{
    DataCenterFacts facts = {.domains = 2, .hosts_up = 1, .has_manager = true};
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_MAINTENANCE);
}

TEST(it_is_up_as_long_as_a_host_manages_the_storage)
{
    DataCenterFacts facts = {.domains = 1, .master_wanted = true, .has_manager = true};
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_UP);
    facts.electing = true;
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_UP);
}

TEST(without_a_manager_the_hosts_decide)
{
    DataCenterFacts facts = {.domains = 1, .master_wanted = true};
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_NOT_OPERATIONAL);
    facts.electing = true; // of a host that has just gone
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_NOT_OPERATIONAL);
    facts.hosts_up = 1;
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_CONTEND);
    facts.electing = false;
    assert_int_equal(data_center_status_of(&facts), API_DATA_CENTER_STATUS_PROBLEMATIC);
}
