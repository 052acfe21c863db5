# A heartbeat for lastbeat: `require_relative "heartbeat"`, or alone: `ruby heartbeat.rb`.
every = Integer(ENV.fetch("HEARTBEAT_EVERY", "30"))
first = Random.rand(every * 1000) / 1000.0 # a fleet does not beat as one
out = STDOUT.dup
out.sync = true # without a buffer, and so without a lock that a signal handler may not take

beats = Thread.new do
  sleep first
  1.step do |seq|
    out.puts "HEARTBEAT every=#{every}s name=worker seq=#{seq}"
    sleep every
  end
end

%w[INT TERM].each do |signal|
  trap(signal) do # a program with handlers of its own says bye in them
    # The first newline ends a line that the signal cut in half. A forked child has no say.
    out.write "\nHEARTBEAT name=worker bye\n" if beats.alive?
    beats.kill
    exit
  end
end
beats.join if $PROGRAM_NAME == __FILE__
