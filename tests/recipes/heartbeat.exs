# A heartbeat for lastbeat: `Heartbeat` as the last child of the supervisor, or alone: `elixir heartbeat.exs`.
defmodule Heartbeat do
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def bye, do: IO.puts("HEARTBEAT name=worker bye")

  @impl true
  def init(_) do
    # So that terminate is called; of all children the last is the first to stop.
    Process.flag(:trap_exit, true)
    every = String.to_integer(System.get_env("HEARTBEAT_EVERY", "30"))
    # A fleet does not beat as one.
    Process.send_after(self(), :beat, :rand.uniform(every * 1000))
    {:ok, {every, 1}}
  end

  @impl true
  def handle_info(:beat, {every, seq}) do
    IO.puts("HEARTBEAT every=#{every}s name=worker seq=#{seq}")
    Process.send_after(self(), :beat, every * 1000)
    {:noreply, {every, seq + 1}}
  end

  # A supervisor that gives up stops its children as SIGTERM does: that is no goodbye.
  @impl true
  def terminate(_, _), do: if(match?({:stopping, _}, :init.get_status()), do: bye())
end

# Alone: a script is not stopped in order, as an application is.
System.trap_signal(:sigterm, fn -> Heartbeat.bye() && System.halt(0) end)
{:ok, _} = Heartbeat.start_link(nil)
Process.sleep(:infinity)
