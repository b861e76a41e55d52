/* The functions of commands.c's table. */
#ifndef XL_CMD_H
#define XL_CMD_H

#define CMD(name) int cmd_##name(int argc, char **argv)
CMD(list);
CMD(vm_list);
CMD(domid);
CMD(domname);
CMD(uptime);
CMD(claims);
CMD(sharing);
CMD(info);
CMD(dmesg);
CMD(debug_keys);
CMD(set_parameters);
CMD(top);
CMD(metrics);
CMD(vcpu_list);
CMD(vcpu_pin);
CMD(vcpu_set);
CMD(cpupool_create);
CMD(cpupool_list);
CMD(cpupool_destroy);
CMD(cpupool_rename);
CMD(cpupool_cpu_add);
CMD(cpupool_cpu_remove);
CMD(cpupool_migrate);
CMD(cpupool_numa_split);
CMD(sched_credit);
CMD(sched_credit2);
CMD(sched_rtds);
CMD(create);
CMD(config_update);
CMD(destroy);
CMD(devd);
CMD(shutdown);
CMD(reboot);
CMD(pause);
CMD(unpause);
CMD(rename);
CMD(mem_set);
CMD(mem_max);
CMD(trigger);
CMD(sysrq);
CMD(button_press);
CMD(block_attach);
CMD(block_list);
CMD(block_detach);
CMD(network_attach);
CMD(network_list);
CMD(network_detach);
CMD(channel_list);
CMD(console);
CMD(explain);
CMD(dump_core);
CMD(later);
#undef CMD

#endif
